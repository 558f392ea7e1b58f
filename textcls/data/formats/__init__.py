"""Files of labelled texts in all the ways they come, read into Arrow columns.

Other packages import the modules that `__all__` names; a file whose name begins with an
underscore is this package's own.
"""

__all__ = [
    "any_file",
    "arrow_csv",
    "class_folders",
    "compression",
    "csv_dialect",
    "csv_files",
    "encodings",
    "fasttext",
    "hf_builders",
    "json_files",
    "json_objects",
    "parquet_files",
    "saved_datasets",
    "screening",
    "spreadsheets",
]
