"""What several techniques need: smoothing, marks, blocks, colour spaces, distances along axes."""
