-- Lists of the versions that are beginnings of another one, so that the bucket alone tells it.
alter table objects drop constraint objects_kind_check;
alter table objects add constraint objects_kind_check check (kind in ('segment', 'part', 'keys', 'tree', 'prefixes'));
