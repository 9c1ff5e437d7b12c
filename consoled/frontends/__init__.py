"""What a connected peer gets: here, to be attached straight to one console."""
