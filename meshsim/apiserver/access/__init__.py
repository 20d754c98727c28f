"""Who gets in: certificates, tokens, and what a person may say of them."""
