"""The drop-in for procServ, composed: one console in one process, from argv to exit code."""
