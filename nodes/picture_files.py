"""Which picture files are opened: none of those that Pillow hands to another program, as it does with EPS."""

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
