"""Work that several machines share."""
