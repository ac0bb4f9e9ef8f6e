"""What others ask to be fetched and published: polls and their tasks, and whose data is asked for, through what."""
