"""A project as a file: what it is made of, compared with what is wanted, and made so."""
