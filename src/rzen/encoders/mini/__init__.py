"""The embedded baseline: MiniLM for text, ConSE over EfficientNet-Lite for pixels, on onnxruntime.

Its weights arrive as ordinary packages (extra ``mini``); nothing is downloaded from a model hub.
"""
