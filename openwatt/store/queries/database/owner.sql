-- Who owns a database, whether that is this user, and whether this user is a superuser.
select pg_get_userbyid(datdba) as owner, pg_get_userbyid(datdba) = current_user as is_ours, rolsuper as is_superuser
  from pg_database, pg_roles
 where datname = %(database)s and rolname = current_user
