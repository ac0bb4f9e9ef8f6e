"""What expands is bounded before it is decoded: how much a small input may become is known before it becomes that.

Decoders trust what they decode: a few kilobytes can stand for gigabytes of a compressed column, of nested lists, of a
zipped page. What others sent passes one of these doors first.
"""
