"""The text encoder of both generators: small, frozen, and trained before them."""
