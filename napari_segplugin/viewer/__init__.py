"""napari layers <-> our types: images, corrections, results, readers, writers, sample data. No Qt, no torch."""
