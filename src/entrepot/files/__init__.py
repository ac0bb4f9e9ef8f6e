"""Files that runs and users publish: stored, signed, acknowledged, expired; and the requests that ask for them."""
