select count(*) from tariffs
