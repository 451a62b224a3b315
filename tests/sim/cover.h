/* Coverage: how often each fault was really met and each edge of the machine taken, over all seeds. A fault
 * counts when it takes effect, not when it is planned.
 */
#ifndef SIM_COVER_H
#define SIM_COVER_H

#include "holdfast/holdfast.h"

// clang-format off
#define SIM_FAULTS(X)                                                                    \
    /* the network */                                                                    \
    X(NET_SLOW, "a byte on its way for more than 200 ms")                                \
    X(NET_SPLIT, "a message in pieces")                                                  \
    X(NET_COALESCE, "what was sent apart arrives together")                              \
    X(NET_OVERTAKES, "what was sent later on another link arrives earlier")              \
    X(NET_DRIP, "a few bytes at a time")                                                 \
    X(NET_RST, "a link reset in mid-life")                                               \
    X(NET_FIN, "a link ended in mid-life")                                               \
    X(NET_CUT_SHORT, "takes a part of what is sent, then ends")                          \
    X(NET_HOLE_UP, "nothing gets to the server")                                         \
    X(NET_HOLE_DOWN, "nothing gets back")                                                \
    X(NET_HOLE_BOTH, "nothing gets through")                                             \
    X(NET_REFUSED, "connection refused")                                                 \
    X(NET_UNREACHABLE, "no route")                                                       \
    X(NET_SYN_LOST, "connect is never answered")                                         \
    X(NET_ACCEPT_SILENT, "accepted, then silence")                                       \
    X(NET_ACCEPT_RST, "accepted, then reset")                                            \
    X(NET_FLIP, "a flipped bit in clear text")                                           \
    X(NET_FLIP_TLS, "a flipped bit under TLS")                                           \
    X(NET_FULL, "the send buffer is full")                                               \
    X(NET_ORPHAN, "a session goes on after the client has left")                         \
    /* the port */                                                                       \
    X(PORT_NO_LINK, "no link can be had")                                                \
    X(PORT_NO_RANDOM, "no random numbers")                                               \
    X(PORT_OVER_BUDGET, "a tick has used up its share")                                          \
    /* names */                                                                          \
    X(DNS_FAILS, "the name does not resolve")                                            \
    X(DNS_SLOW, "an answer after seconds")                                               \
    X(DNS_NEVER, "no answer")                                                            \
    X(DNS_MOVED, "another address than last time")                                       \
    X(DNS_LIES, "an address where nothing is, or something else")                        \
    X(DNS_SEVERAL, "several addresses")                                                  \
    /* TLS */                                                                            \
    X(TLS_REFUSED, "the server has no TLS")                                              \
    X(TLS_CERT, "a certificate that does not verify")                                    \
    X(TLS_INJECTED, "bytes in clear before the handshake")                               \
    X(TLS_CUT, "the handshake is cut")                                                   \
    X(TLS_TRUNCATED, "an end without close_notify")                                      \
    /* login */                                                                          \
    X(PG_STARTING, "57P03: starting up")                                                 \
    X(PG_SLOTS, "53300: no slot free")                                                   \
    X(PG_PASSWORD, "28P01: wrong password")                                              \
    X(PG_PASSWORD_POOLER, "08P01, XX000: wrong password, in a pooler's words")            \
    X(PG_LOGIN_BUSY, "refused before the proof is judged: 53, 57, 58")                   \
    X(PG_LOGIN_DOWN, "08P01, XX000: the password is right, there is no server")          \
    X(PG_DATABASE, "3D000: no such database")                                            \
    X(PG_DIES_YOUNG, "ends right after the login")                                       \
    X(PG_POOLER, "refuses start-up parameters")                                          \
    X(PG_EARLY_OK, "AuthenticationOk before the proof")                                  \
    X(PG_CLEARTEXT, "the password is asked for in clear")                                \
    X(PG_SIGNATURE, "a server that does not know the password")                          \
    /* the server's life */                                                              \
    X(PG_RESTART_FAST, "57P01 to all, then down")                                        \
    X(PG_RESTART_IMMEDIATE, "WARNING 57P01, then the end")                               \
    X(PG_CRASH, "WARNING 57P02, then the end")                                           \
    X(PG_VANISH, "the machine goes without a word")                                      \
    X(PG_STOPPED, "all its processes stand still")                                       \
    X(PG_FAILOVER, "another node is the primary")                                        \
    X(PG_STANDBY, "25006: a standby is asked to write")                                  \
    X(PG_STANDBY_UNTOLD, "… that has not said that it is one")                           \
    X(PG_KILL_BUSY, "57P01 in mid-statement")                                            \
    X(PG_KILL_AGAIN, "57P01 in mid-statement, of one that ran before")                   \
    X(PG_KILL_IDLE, "57P01 or 57P05 while idle")                                         \
    X(PG_KILL_AFTER_DONE, "killed between CommandComplete and the commit")               \
    X(PG_COMMIT_LOST, "killed between the commit and its answer")                        \
    X(PG_SYNCREP, "committed, WARNING 57P01, then the end")                              \
    X(PG_CALL_RAISES, "CALL commits a part, and then raises")                            \
    X(BETWEEN_BEFORE, "a pooler loses its server in mid-statement")                      \
    X(BETWEEN_DURING, "a pooler loses its server at the commit")                         \
    X(BETWEEN_AFTER, "committed, then the pooler loses its server")                      \
    X(BETWEEN_FATAL, "… and says FATAL of any code")                                     \
    X(BETWEEN_ERROR, "… and says ERROR of any code, and no ReadyForQuery")               \
    X(BETWEEN_STAYS, "… and says ERROR and ReadyForQuery: nothing was done, or 08")      \
    X(PG_COMMIT_SLOW, "a commit takes seconds")                                          \
    X(PG_COMMIT_UNHEARD, "the link is cut while the commit goes on")                     \
    X(PG_CRASH_AT_COMMIT, "the server crashes just before the commit")                   \
    X(PG_COMMIT_FORGOTTEN, "synchronous_commit = off: a crash forgets a commit")         \
    X(SYNC_WAITS, "a commit waits for a synchronous standby")                            \
    X(SYNC_INTERRUPTED, "… until a cancel ends its wait: WARNING 01000, then OK")        \
    X(SYNC_CANCELLED, "… until somebody else cancels it")                                \
    X(SYNC_LOST, "a promotion loses what was committed without the standby")             \
    /* statements */                                                                     \
    X(PG_LATE, "an answer after seconds")                                                \
    X(PG_40001, "serialization failure")                                                 \
    X(PG_40P01, "deadlock")                                                              \
    X(PG_40003, "statement completion unknown")                                          \
    X(PG_23505, "unique violation")                                                      \
    X(PG_57014, "the server's own time-out")                                             \
    X(PG_55P03, "a lock is not to be had in time")                                       \
    X(PG_SHORT, "53100 or 53200: all meet a shortage")                                   \
    X(PG_SHORT_ONE, "53000, 53100, 53200, 58030: one statement does")                    \
    X(PG_57014_AGAIN, "… of a session that was cancelled before")                        \
    X(PG_COMMIT_FAILS, "an error at the commit")                                         \
    X(PG_ROLLS_BACK, "COMMIT is answered by ROLLBACK")                                   \
    X(PG_FORGETS, "26000: a prepared statement is gone")                                 \
    X(PG_PLAN, "0A000: cached plan must not change result type")                         \
    X(PG_TAKEN, "42P05: a prepared statement of somebody else")                          \
    X(PG_MOVED, "a pooler moves its client to another session")                          \
    X(PG_CANCELLED, "57014 by our cancel")                                               \
    X(PG_CANCEL_LATE, "a cancel that finds nothing to do")                               \
    X(PG_CANCEL_OTHER, "a cancel that hits another statement")                           \
    X(PG_GROUP, "reads with one Sync, all complete")                                     \
    X(PG_GROUP_FAILS, "reads with one Sync, one refused")                                \
    X(PG_GROUP_VOID, "reads that are void, by a serializable error behind them")         \
    X(PG_TOO_LARGE, "a row larger than the receive buffer")                              \
    X(PG_OPEN_TRANSACTION, "a statement leaves a transaction open")                      \
    X(PG_PROBE_OPEN, "a probe is answered within a transaction")                         \
    X(PG_HELD_ENDED, "a transaction ends before its COMMIT")                             \
    X(PG_NOTICE, "a notice")                                                             \
    X(PG_PARAMETER, "a ParameterStatus")                                                 \
    X(PG_NOTIFY, "a notification")                                                       \
    X(PG_ASIDE_IDLE, "one of these while idle")                                          \
    X(PG_JUNK, "bytes that are no protocol")                                             \
    /* tickets */                                                                        \
    X(PG_NO_TICKETS, "a server that gives no tickets")                                   \
    X(PG_FOREIGN, "a pooler leads to another cluster")                                   \
    X(PG_XID_AGAIN, "asked about an xid that is somebody else's now")                    \
    X(ASK_COMMITTED, "asked: committed")                                                 \
    X(ASK_ABORTED, "asked: aborted")                                                     \
    X(ASK_RUNNING, "asked: in progress")                                                 \
    X(ASK_STANDBY, "asked of a standby")                                                 \
    X(ASK_OTHER, "asked of another incarnation")                                         \
    X(ASK_FORGOTTEN, "asked too late: NULL")                                             \
    X(ASK_FAILS, "the question fails")                                                   \
    X(ASK_STRANGE, "asked: a word that nobody knows")                                    \
    X(ASK_REFUSED, "the question is refused")                                            \
    X(ASK_ROLE_FAILS, "the question for the role fails")                                 \
    X(ASK_PROMOTED, "asked: writable, for the standby was promoted meanwhile")           \
    /* time */                                                                           \
    X(TIME_WRAP, "the clock passes 2^32 ms")                                             \
    X(TIME_JUMP, "the clock jumps: suspend")                                             \
    X(TIME_LATE, "a tick comes late")                                                    \
    X(TIME_EARLY, "a tick that nobody asked for")                                        \
    /* the application */                                                                \
    X(APP_CANCEL_QUEUED, "cancels what waits")                                           \
    X(APP_CANCEL_RUNNING, "cancels what runs")                                           \
    X(APP_DEADLINE, "a request's deadline passes")                                       \
    X(APP_PAUSE, "pauses in mid-result")                                                 \
    X(APP_CANCEL_PAUSED, "cancels while paused")                                         \
    X(APP_PADDING, "a parameter of many bytes")                                          \
    X(APP_RESUBMIT, "submits within a callback")                                            \
    X(APP_CANCEL_WITHIN, "cancels within a callback")                                    \
    X(APP_PIPELINE, "several in flight on one connection")                               \
    X(APP_ASKS_FIRST, "submits again what is UNKNOWN, with its ticket")                  \
    X(APP_RESET, "hf_pool_reset() after a refusal")                                      \
    X(APP_CLOSE_BUSY, "closes the pool with work in it")                                 \
    X(OUTAGE_GIVEN_UP, "the outage outlasts the policy")                                 \
    /* outcomes */                                                                       \
    X(END_OK, "OK")                                                                      \
    X(END_FAILED, "FAILED")                                                              \
    X(END_NOT_SENT, "NOT_SENT")                                                          \
    X(END_UNKNOWN, "UNKNOWN")                                                            \
    X(END_UNKNOWN_APPLIED, "UNKNOWN, and it was applied")                                \
    X(END_UNKNOWN_NOT, "UNKNOWN, and it was not")                                        \
    X(END_OK_AGAIN, "OK after several attempts")
// clang-format on

typedef enum sim_fault {
#define X(name, words) SIM_##name,
    SIM_FAULTS(X)
#undef X
        SIM_FAULT_COUNT
} sim_fault;

void sim_hit(sim_fault fault);
void sim_hit_edge(const hf_transition *transition);
/* A self-edge does not reach the journal: it is counted where its cause is seen. */
void sim_hit_heard(void);
/* Prints the table; false if something was never hit. */
bool sim_print_cover(void);

#endif
