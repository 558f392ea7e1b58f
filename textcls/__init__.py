"""A text classifier: data in, trained CNN, RNN or GRU classifier out. Importing it loads nothing heavy."""
