"""What words and captions are about, and WordNet: what the split by concept stands on."""
