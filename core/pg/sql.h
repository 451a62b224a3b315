/* What the first words of an SQL statement say of it. Comments and case do not matter. Private to core/pg. */
#ifndef HF_PG_SQL_H
#define HF_PG_SQL_H

#include "request.h"

/* Why a statement is not sent at all, or NULL: COPY speaks a protocol of its own, and a batch has BEGIN and COMMIT
 * around it already (SEMANTICS 10 counts on nothing taking effect before that COMMIT). */
const char *hf_pg_sql_refused(const char *sql, bool in_batch);

/* Can it have an effect before its transaction commits, as CALL, VACUUM, CREATE DATABASE, … CONCURRENTLY can? */
bool hf_pg_self_commits(const hf_request *request);

#endif
