/*
 * What the models share: how a property is written down, and what it is to be killed.
 *
 * A step is what a server does without letting anybody in between: a row lock taken, an entry made in an index, a commit.
 * Its name opens the printf that tells of it, so a trail reads as a list of steps; docs/design/model.md says which function
 * each of them is.
 */
#define nobody 0

/* A property, at the place where it is looked at. A trail that ends here says which one was broken. */
#define holds(property, condition) if :: (condition) :: else -> printf("broken: %e\n", property); assert(false) fi

mtype = {
    resolvable, no_step_back, one_ending, acknowledged_stands, one_key_one_run, nothing_twice, a_lost_answer_is_no_refusal,
    numbers_in_commit_order, nothing_after_the_ending, ended_for_cause, live_owner_is_asked, fenced_write_is_of_an_active_run,
    no_claim_for_a_dead_boot, no_death_while_held, rejoined_boot_lives, dead_is_dead, memory_is_of_this_history
};
