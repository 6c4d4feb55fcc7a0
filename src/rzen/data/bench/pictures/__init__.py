"""Tasks over pictures: captions, classes, styles, edits, scenes, questions."""
