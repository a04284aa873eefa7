-- How many homes of the file of groups are not in the results.
select count(*) from groups where hash(home) not in (select home_hash from homes)
