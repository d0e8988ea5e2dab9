"""The kinds of adapter file that Loupe knows, each as a description; ``registry`` lists them."""
