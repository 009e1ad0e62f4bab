"""The store: trained models and embeddings are computed once, cached, and loaded ever after."""
