"""Where the homes of a portfolio come from: folders of meter files, Parquet files and datasets."""
