"""Training and fine-tuning: patches, the loop, what is held out, what is kept against forgetting."""
