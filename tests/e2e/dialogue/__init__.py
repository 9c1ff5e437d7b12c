"""The procServ dialogue: every verified statement of its specification, asked of both servers."""
