-- One number that moves whenever something is published; readers cache against it.
select version from data_version
