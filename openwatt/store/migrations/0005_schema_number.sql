-- The number of the schema is the owner's to write: with a row of it the service's own role could make every
-- process refuse the database as newer than its code.
do $$
begin
    if exists (select from pg_roles where rolname = 'openwatt_writer') then
        revoke insert on schema_migrations from openwatt_writer;
    end if;
exception
    when insufficient_privilege then
        raise notice 'user % may not revoke a right of openwatt_writer', current_user;
end $$;
