/*
 * Who is dead. A boot, the session that booted it, another that rejoins it, a pool that hands the first one on, and two
 * guards: the worker, and a new boot of the same controller or somebody's pdpp_reconcile(). The controller dies, loses its
 * session, and has all advisory locks of it dropped, in transactions that commit and in such that do not. Guards are rolled
 * back.
 *
 * Left out: runs, but for a claim (a start and an offer ask the same of their boot); how long the grace is: it is over when
 * the clock likes, once a boot was seen lost; a transaction that claims and then drops the lock before it commits
 * (docs/design/liveness.md).
 */
#include "server.pml"

#ifndef DROPS
#define DROPS 1
#endif
#ifndef ROLLBACKS
#define ROLLBACKS 0
#endif

#define first 1            /* the session that booted */
#define second 2           /* the one that rejoins */
#define sessions 3

/* the boot's row, as committed */
bit lost;
bit dead;
bit was_dead;
bit grace_over;            /* since it was seen lost */
/* who has the row: for no key update, and for share */
byte row;
byte sharing;
/* the boot's lock, which sessions hold in share mode */
bit held[sessions];
byte probing;              /* where a probe excludes probes: who has it */
/* what a session knows of itself */
bit booted[sessions];
bit in_doubt[sessions];
/* what befalls */
bit gone;                  /* the controller, for good */
byte drops;
byte rollbacks;

#define is_held (held[first] || held[second])
#define proves(s) (booted[s] && held[s] && !in_doubt[s])

/* ---- sessions ---------------------------------------------------------------------------------------------------- */

inline take_dropped_lock_again(me) {
    atomic {
        if
        :: booted[me] && !held[me] -> held[me] = 1; in_doubt[me] = 1; printf("session.take_dropped_locks_again: session %d\n", me)
        :: else
        fi
    }
}

/* pdpp_run_claim */
inline claim(me) {
    take_dropped_lock_again(me);
#ifdef CLAIM_WITHOUT_OWN_BOOT
    alive = 1;
#else
    if
    :: in_doubt[me] ->
        atomic {
#ifndef DOUBT_DOES_NOT_WAIT
            row == nobody;
#endif
            sharing++;
            alive = !dead;
            in_doubt[me] = 0;
            printf("claim.await_verdict: session %d, alive %d\n", me, alive)
        };
        atomic { holds(no_claim_for_a_dead_boot, !alive || !dead); sharing--; printf("claim.commit: session %d, alive %d\n", me, alive); alive = 0 }
    :: else ->
        atomic { alive = !dead; printf("claim.find_boot: session %d, alive %d\n", me, alive) };
#endif
        atomic { holds(no_claim_for_a_dead_boot, !alive || !dead); printf("claim.commit: session %d, alive %d\n", me, alive); alive = 0 }
#ifndef CLAIM_WITHOUT_OWN_BOOT
    fi
#endif
}

proctype First() {
    bit alive;
    do
    :: !gone && booted[first] -> claim(first)
    :: !gone && drops < DROPS ->
        /* pg_advisory_unlock_all() */
        atomic { drops++; held[first] = 0; printf("session.drop_locks: session 1\n") };
        if
        :: take_dropped_lock_again(first) /* as it commits */
        :: printf("session.rollback: session 1\n")
        fi
    :: atomic { held[first] = 0; booted[first] = 0; printf("session.end: session 1\n") }; break
    :: gone ->
        /* the pool takes it back: DISCARD ALL */
        atomic {
            held[first] = 0;
#ifndef POOL_TAKES_LOCK_AGAIN
            booted[first] = 0;
#endif
            printf("session.discard_all: session 1\n")
        };
        take_dropped_lock_again(first); /* as the next client commits */
        break
    od
}

/* pdpp_controller_rejoin: the lock first, then the row. */
proctype Second() {
    bit alive;
    do
    :: !gone && booted[second] -> claim(second)
    :: !gone && !booted[second] ->
        atomic { held[second] = 1; printf("rejoin.hold_boot: session 2\n") };
        atomic {
#ifndef REJOIN_WITHOUT_ROW
            row == nobody && sharing == 0;
            row = second;
#endif
            alive = !dead;
            printf("rejoin.lock_row: session 2, alive %d\n", alive);
#ifdef REJOIN_REVIVES
            alive = 1;
#endif
        };
        atomic {
            if
            :: alive ->
#ifdef REJOIN_REVIVES
                dead = 0;
#endif
                holds(dead_is_dead, !was_dead || dead);
                holds(rejoined_boot_lives, !dead);
                lost = 0; grace_over = 0; booted[second] = 1; in_doubt[second] = 0
            :: else -> held[second] = 0
            fi;
            if :: row == second -> row = nobody :: else fi;
            printf("rejoin.commit: session 2, alive %d\n", alive)
        };
        if :: !booted[second] -> break :: else fi
    :: atomic { held[second] = 0; booted[second] = 0; printf("session.end: session 2\n") }; break
    od
}

/* ---- guards ------------------------------------------------------------------------------------------------------ */

inline probe(me) {
#ifdef PROBE_EXCLUDES_PROBES
    atomic { found = is_held || (probing != nobody); if :: !found -> probing = me :: else fi; printf("guard.probe: guard %d, held %d\n", me, found) };
    atomic { if :: probing == me -> probing = nobody :: else fi }
#else
    atomic { found = is_held; printf("guard.probe: guard %d, held %d\n", me, found) }
#endif
}

/* A look of store::watch_boots, or of a new boot of the controller, for which the grace does not count. */
proctype Guard(byte me; bit can_be_new_boot) {
    bit found, is_new_boot;
    do
    :: dead -> break
    :: !dead ->
        if :: is_new_boot = 0 :: can_be_new_boot -> is_new_boot = 1 fi;
        probe(me);
        if
        :: (found && lost) || (!found && (!lost || grace_over || is_new_boot)) ->
            atomic {
                if :: row == nobody && sharing == 0 && !dead -> row = me; printf("guard.lock_row: guard %d\n", me) :: else fi
            };
            if
            :: row == me ->
#ifndef NO_PROBE_UNDER_ROW
                probe(me);
#endif
#ifdef ROW_NOT_KEPT
                row = nobody;
#endif
                atomic {
                    if
                    :: rollbacks < ROLLBACKS -> rollbacks++; printf("guard.rollback: guard %d\n", me)
                    :: true ->
                        if
                        :: found -> lost = 0; grace_over = 0
                        :: !found && !is_new_boot && (!lost || !grace_over) -> lost = 1
                        :: else ->
                            holds(no_death_while_held, !proves(first) && !proves(second));
                            lost = 1; dead = 1; was_dead = 1
                        fi;
                        printf("guard.mark: guard %d, lost %d, dead %d\n", me, lost, dead)
                    fi;
                    if :: row == me -> row = nobody :: else fi
                }
            :: else
            fi
        :: else
        fi
    od
}

proctype Clock() {
    end_idle: do
    :: atomic { lost && !grace_over && !dead -> grace_over = 1; printf("clock.grace_over: -\n") }
    od
}

proctype Fate() {
    atomic { gone = 1; printf("fate.controller_is_gone: -\n") }
}

init {
    atomic {
        booted[first] = 1; held[first] = 1;
        run First(); run Second(); run Guard(3, 0); run Guard(4, 1); run Clock(); run Fate()
    }
}

#ifdef PROGRESS
/* Whoever is gone is found dead, without anybody's doing. */
ltl a_dead_controller_is_found { [] (gone -> <> dead) }
#endif
