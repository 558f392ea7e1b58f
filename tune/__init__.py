"""A Ray-distributed hyperparameter search over `textcls`. Importing it loads neither ray nor torch."""
