-- The file of groups: its columns as text, what is empty being unknown.
create table groups as
select home{columns} from groups_file where home is not null
