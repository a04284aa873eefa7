-- How many homes the file of groups names more than once.
select count(*) - count(distinct home) from groups
