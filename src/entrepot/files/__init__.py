"""Files that runs and users publish: stored, signed, acknowledged, expired; and the polls that ask for them."""
