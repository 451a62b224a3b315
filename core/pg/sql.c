#include "sql.h"

#include "base/text.h"
#include "driver.h"

#include <string.h>

/* A scanner of words, not a parser: what it does not understand it passes over, and the server judges. */

const char *hf_sql_skip(const char *at) {
    unsigned depth = 0;

    for (;;) {
        if (at[0] == '/' && at[1] == '*') {
            depth++;
            at += 2;
        } else if (depth > 0 && at[0] == '*' && at[1] == '/') {
            depth--;
            at += 2;
        } else if (depth > 0 && at[0]) {
            at++;
        } else if (at[0] == '-' && at[1] == '-') {
            while (*at && *at != '\n' && *at != '\r') {
                at++;
            }
        } else if (*at == ' ' || (*at >= '\t' && *at <= '\r') || *at == ';') {
            at++;
        } else {
            return at;
        }
    }
}

const char *hf_sql_word(const char *at, char word[HF_SQL_WORD_BYTES]) {
    size_t length = 0;

    at = hf_sql_skip(at);
    for (; (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || *at == '_'; at++) {
        if (length < HF_SQL_WORD_BYTES - 1) {
            word[length++] = (char)(*at >= 'a' ? *at - 'a' + 'A' : *at);
        }
    }
    word[length] = 0;
    return at;
}

static bool is_one_of(const char *word, const char *words) {
    return hf_word_among(words, word, strlen(word));
}

const char *hf_pg_sql_refused(const char *sql) {
    char word[HF_SQL_WORD_BYTES];

    hf_sql_word(sql, word);
    return strcmp(word, "COPY") == 0 ? HF_MESSAGE("COPY is not supported") : NULL;
}

const char *hf_pg_sql_refused_in_batch(const char *sql) {
    static const char control[] = "BEGIN START COMMIT END ABORT";
    char word[HF_SQL_WORD_BYTES];

    sql = hf_sql_word(sql, word);
    if (is_one_of(word, control)) {
        return HF_MESSAGE("a transaction is put around it: leave out its own BEGIN and COMMIT");
    }
    if (strcmp(word, "PREPARE") == 0) {
        hf_sql_word(sql, word);
        return strcmp(word, "TRANSACTION") == 0
                   ? HF_MESSAGE("PREPARE TRANSACTION has no place in a batch")
                   : NULL;
    }
    if (strcmp(word, "ROLLBACK") == 0) {
        sql = hf_sql_word(sql, word);
        if (is_one_of(word, "WORK TRANSACTION")) {
            hf_sql_word(sql, word);
        }
        return strcmp(word, "TO") == 0 ? NULL : HF_MESSAGE("ROLLBACK has no place in a batch");
    }
    return NULL;
}

bool hf_pg_sql_mentions(const char *sql, const char *wanted) {
    char word[HF_SQL_WORD_BYTES];

    while (*sql) {
        const char *after = hf_sql_word(sql, word);
        if (strcmp(word, wanted) == 0) {
            return true;
        }
        sql = hf_sql_skip(after);
        if (*sql == '\'' || *sql == '"') { /* what looks like a comment in quotes is none */
            const bool escapes = word[0] == 'E' && word[1] == 0;
            const char quote = *sql++;
            while (*sql && *sql++ != quote) {
                sql += escapes && sql[-1] == '\\' && *sql;
            }
        } else if (*sql && word[0] == 0) {
            sql++;
        }
    }
    return false;
}

/* Does a query make a table (SELECT … INTO), or call set_config()? The words are looked for in strings and comments
 * too: to take one too many for such costs a little time, to miss one costs a wrong answer. inserts: an INTO may be
 * an INSERT's or a MERGE's. */
static bool query_changes(const char *at, bool inserts) {
    char word[HF_SQL_WORD_BYTES];
    bool of_insert = false;

    while (*at) {
        if ((uint8_t)((*at | 0x20) - 'a') > 'z' - 'a') {
            at++; /* one by one: hf_sql_word() would take what looks like a comment for one */
            continue;
        }
        at = hf_sql_word(at, word);
        if ((strcmp(word, "INTO") == 0 && !of_insert) || strcmp(word, "SET_CONFIG") == 0) {
            return true;
        }
        of_insert = inserts && is_one_of(word, "INSERT MERGE");
    }
    return false;
}

hf_pg_effect hf_pg_effect_of(const char *sql) {
    static const char neutral[] = "SHOW FETCH MOVE CLOSE DECLARE LISTEN UNLISTEN NOTIFY "
                                  "SAVEPOINT RELEASE LOCK TRUNCATE GRANT REVOKE COMMENT "
                                  "ANALYZE VACUUM CHECKPOINT";
    char word[HF_SQL_WORD_BYTES];

    for (sql = hf_sql_skip(sql); *sql == '('; sql = hf_sql_skip(sql + 1)) {
    }
    sql = hf_sql_word(sql, word);
    if (is_one_of(word, "INSERT UPDATE DELETE MERGE UPSERT")) {
        return HF_PG_PLANNED;
    }
    if (is_one_of(word, "SELECT VALUES TABLE WITH")) {
        return query_changes(sql, word[0] == 'W') ? HF_PG_CHANGES : HF_PG_PLANNED;
    }
    return is_one_of(word, neutral) ? HF_PG_NEUTRAL : HF_PG_CHANGES;
}

bool hf_pg_sql_commits(const char *sql) {
    char word[HF_SQL_WORD_BYTES];
    const char *after = hf_sql_word(sql, word);

    if (is_one_of(word, "CALL DO VACUUM ANALYZE ANALYSE CLUSTER REINDEX "
                        "COMMIT ROLLBACK ABORT END PREPARE")) {
        return true;
    }
    if (!is_one_of(word, "CREATE DROP ALTER REFRESH")) {
        return false;
    }
    hf_sql_word(after, word);
    return is_one_of(word, "DATABASE TABLESPACE SUBSCRIPTION SYSTEM") ||
           hf_pg_sql_mentions(after, "CONCURRENTLY");
}

bool hf_pg_self_commits(const hf_request *request) {
    /* within BEGIN and COMMIT the server refuses all of these */
    return !hf_is_batch(request) && request->sql && hf_pg_sql_commits(request->sql);
}

bool hf_pg_waits_not(const hf_request *request) {
    const uint32_t count = hf_is_batch(request) ? request->n_batch : 1;

    for (uint32_t i = 0; i < count; i++) {
        const char *sql = hf_is_batch(request) ? request->batch[i].sql : request->sql;
        if (hf_pg_sql_mentions(sql, "NOWAIT")) {
            return true;
        }
    }
    return false;
}
