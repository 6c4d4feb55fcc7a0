"""LoRA adapters as PEFT writes them: read without it, and merged into their base in float32."""
