"""Prompts of extreme close-ups, from a photographer's fields.

- phrases, read_phrases   the words, from close_up.json and the users' files
- setting      the fields as a preset and the user set them, and what the region shows of them
- vary         sets over ages, skin types, make-up and light
- conflicts, children     what fights, and what is for adults
- prompt       the prompts; report tells how they came about
"""
