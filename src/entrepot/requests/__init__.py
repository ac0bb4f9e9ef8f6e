"""What others ask to be fetched and published: requests and their steps, and whose data is asked for, through what."""
