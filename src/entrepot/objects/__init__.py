"""Where bytes are kept by a key: folders and buckets behind the same few verbs, and the server's own bucket."""
