/*
 * Two worlds: a table belongs to the synced events or to the client-only ones,
 * by who writes it. The synced state is then a function of the synced events
 * alone, so it is equal on all devices.
 */

#include "store/schema_private.h"

static int check_writers(struct schema_checker *checker, size_t index) {
	const struct table_check *table = &checker->tables[index];
	const struct table_use *synced = &table->synced_writer;
	const struct table_use *client = &table->client_writer;

	if (!synced->event || !client->event)
		return 0;
	return schema_violation(
		checker->error, checker->label, synced->line > client->line ? synced->line : client->line,
		"table '%s' is written by the synced event %s (line %u) and by the client-only event %s (line %u)", table->name,
		synced->event->name, synced->line, client->event->name, client->line);
}

static int check_readers(struct schema_checker *checker, size_t index) {
	const struct table_check *table = &checker->tables[index];

	if (!table->client_writer.event || !table->synced_reader.event)
		return 0;
	return schema_violation(checker->error, checker->label, table->synced_reader.line,
	                        "the synced event %s reads table '%s', which the client-only event %s writes (line %u)",
	                        table->synced_reader.event->name, table->name, table->client_writer.event->name,
	                        table->client_writer.line);
}

static const char *world_name(enum schema_world world) {
	return world == WORLD_CLIENT_ONLY ? "client-only" : "synced";
}

static int check_references(struct schema_checker *checker, size_t child) {
	const struct schema_table *tables = checker->schema->tables;

	for (size_t parent = 0; parent < checker->schema->n_tables; parent++)
		if (checker->references[child][parent] && tables[child].world != tables[parent].world)
			return schema_violation(checker->error, checker->label, checker->tables[child].line,
			                        "a foreign key leads from the %s table '%s' to the %s table '%s'",
			                        world_name(tables[child].world), tables[child].name,
			                        world_name(tables[parent].world), tables[parent].name);
	return 0;
}

int schema_check_worlds(struct schema_checker *checker) {
	struct schema *schema = checker->schema;
	int r = 0;

	for (size_t i = 0; r == 0 && i < schema->n_tables; i++) {
		schema->tables[i].world = checker->tables[i].client_writer.event ? WORLD_CLIENT_ONLY : WORLD_SYNCED;
		r = check_writers(checker, i);
	}
	/* Before the readers: a foreign key reads the other table by itself. */
	for (size_t i = 0; r == 0 && i < schema->n_tables; i++)
		r = check_references(checker, i);
	for (size_t i = 0; r == 0 && i < schema->n_tables; i++)
		r = check_readers(checker, i);
	return r;
}
