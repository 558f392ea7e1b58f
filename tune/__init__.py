"""A Ray-distributed hyperparameter search over `textcls`. Importing it loads nothing heavy."""
