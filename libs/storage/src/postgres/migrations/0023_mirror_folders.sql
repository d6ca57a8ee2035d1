-- What the mirror has below a folder, in the order of bytes: a file may come to stand where a folder was.
create index mirror_documents_folder on mirror_documents (tenant_id, agent_id, object_key collate "C");
