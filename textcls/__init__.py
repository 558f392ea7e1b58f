"""A text classifier: data in, trained CNN, RNN or GRU classifier out. Importing loads nothing."""
