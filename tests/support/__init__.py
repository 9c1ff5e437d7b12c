"""What tests share: servers under test, their peers, and the children they run."""
