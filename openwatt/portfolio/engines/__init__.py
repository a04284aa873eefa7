"""What runs the tasks of a portfolio: processes of this machine, a Dask cluster, or Spark."""
