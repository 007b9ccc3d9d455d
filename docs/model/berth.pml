/* SPDX-License-Identifier: MIT */
/*
 * The protocol of runners, slots and fences, for spin. README.md says what is in it and what is not.
 *
 * One slot name that every runner wants (a lease asked for by NAME); what a name that a runner makes up
 * can go through is part of that. A transaction of PostgreSQL is one atomic step; what is sent, and what
 * is answered, may be late or lost. -DMISTAKE=n puts the mistake number n in.
 */

#ifndef MISTAKE
#define MISTAKE 0
#endif
#ifndef RUNNERS
#define RUNNERS 2
#endif
/* So many misfortunes may come, at any step, of these kinds. */
#ifndef FAULTS
#define FAULTS 1
#endif
#ifndef KINDS
#define KINDS 63
#endif
#define CRASH     1   /* a runner ends */
#define PAUSE     2   /* it stops (SIGSTOP, a suspended machine), and may go on */
#define CUT       4   /* its keeper's connection breaks */
#define CUT_WORK  8   /* the worker's does, in the middle of something */
#define RESTART  16   /* PostgreSQL restarts */
#define FREEZE   32   /* it does nothing for a while, and deadlines end */

#define LOCK_ALONE      (MISTAKE == 1)  /* a free lock is proof of death */
#define SILENCE_ALONE   (MISTAKE == 2)  /* and so is an old heartbeat */
#define NEVER_STEADY    (MISTAKE == 3)  /* who was away himself may bury others */
#define NAME_ALONE      (MISTAKE == 4)  /* a drop looks for the name, not for runner and fence */
#define UNBUILT_TOO     (MISTAKE == 5)  /* a drop takes what bears the name, built or not */
#define DROP_IN_TWO     (MISTAKE == 6)  /* the row goes in one transaction, schema and role in the next */
#define AS_IT_IS        (MISTAKE == 7)  /* what is given back is handed out again as it is */
#define BACK_AGAIN      (MISTAKE == 8)  /* a runner whose row is gone puts it back and goes on */
#define ROW_STAYS       (MISTAKE == 9)  /* a burial takes the slots and leaves the runner's row */
#define JUDGED_EARLY    (MISTAKE == 10) /* whether a burial may be is judged when it is sent, not when it is done */
#define MAKE_UNCHECKED  (MISTAKE == 11) /* schema and role are made, whoever has the row by then */
#define RENEW_UNCHECKED (MISTAKE == 12) /* the password is renewed, whoever has the row by then */
#define TOLD_ONCE       (MISTAKE == 13) /* what was taken over is told in the burial's answer alone */
#define FENCE_UNKNOWN   (MISTAKE == 14) /* whoever does not know a slot's fence drops it without */
#define MAKE_DROPPING   (MISTAKE == 15) /* a build goes on though the drop of its slot has begun */

#define GRACE 2             /* ticks; a heartbeat is due in each */
#define CALM  (GRACE + 3)   /* ticks without a fault, after which nothing abandoned may be there */
#define NOBODY RUNNERS

/* ---- PostgreSQL: it outlives everybody ---- */

bool up = true;             /* sessions can be had */
byte frozen;                /* 1 and more: it is there, and does nothing, for so many ticks less one */

/* berth.runner, and the advisory lock. */
bool row[RUNNERS];
byte age[RUNNERS];          /* of the heartbeat, by the server's clock */
bool lock[RUNNERS];         /* held by a session of the keeper's, be it one that nobody uses any more */

/* berth.slot: the row of the one name. */
mtype:state = { READY, INHERITED, DROPPING };
bool s_row, s_built;
mtype:state s_state = READY;
byte s_whose = NOBODY, s_fence;

/* The schema and its role. */
bool thing, foreign;        /* foreign: somebody made it by hand */
byte cred;                  /* the fence whose password opens it */
bool ghost;                 /* somebody who gave it back may still be connected with that */

/* ---- runners ---- */

mtype:life = { WAITS, RUNS, PAUSED, GONE };
mtype:life life[RUNNERS] = WAITS;
bool blame[RUNNERS];        /* it was itself that made it silent, since it was last heard */

/*
 * The keeper's conversation in each tick. What stands here has been sent: PostgreSQL does it when it
 * likes, even while the runner is paused, and with that the runner has its answer.
 */
mtype:keep = { BEAT, BURY, IDLE };
mtype:keep keep[RUNNERS] = BEAT;
bool klink[RUNNERS];        /* the keeper has a session */
bool judged[RUNNERS];       /* its burial was sent by one that was steady */
byte gap[RUNNERS];          /* ticks since its last pulse, by its own clock */
byte steady[RUNNERS];       /* ticks since which pulses came without a gap */

/* The slot as its pool has it: what the worker's conversation about it is waiting for. */
mtype:slot = { NONE, CLAIM, MAKE, FREE, HELD, RAISE, RENEW, LOOK, DROP, DROP_ROLE };
mtype:slot slot[RUNNERS] = NONE;
bool wlink[RUNNERS];
byte fence[RUNNERS];        /* 0: not known */
bool built[RUNNERS];        /* what LOOK found */

/*
 * What was sent on a session that is broken. It may be done at any time until the server finds out; the
 * answer reaches nobody. So an answer that is lost is one that comes late.
 */
mtype:slot late[RUNNERS] = NONE;
byte late_fence[RUNNERS];
bool late_built[RUNNERS];
bool late_bury[RUNNERS], late_judged[RUNNERS];
bool stale_lock[RUNNERS];   /* the lock is held by such a session */

byte faults = FAULTS;
#define may(kind) (faults > 0 && (KINDS & kind))
byte calm;                  /* ticks since something went wrong, or came back; counted once nothing more can */

/* For use inside of one step. */
byte i_, q_, next;
bool yes_;

/* ---- fences: a sequence never gives a number twice; here: none that anybody still knows ---- */

inline fresh() {
	next = 1;
	i_ = 0;
	do
	:: i_ == RUNNERS -> break
	:: else ->
		if
		:: next == s_fence || next == cred || next == fence[i_] || next == late_fence[i_] -> next++; i_ = 0
		:: else -> i_++
		fi
	od;
	i_ = 0
}

/* ---- what must be true ---- */

#define alive(r) (life[r] == RUNS || life[r] == PAUSED)
/* Its holder can work in it. */
#define opens(r) (slot[r] == HELD && thing && cred == fence[r])
/* It is held, and nobody has declared its runner dead. */
#define holds(r) (slot[r] == HELD && alive(r) && row[r])

/* No slot is held by two. Nobody's slot is dropped, or given a new password, while its runner is alive. */
inline check() {
	yes_ = false;
	i_ = 0;
	do
	:: i_ == RUNNERS -> break
	:: else ->
		assert(!holds(i_) || (thing && !foreign && cred == fence[i_]));
		assert(!yes_ || !opens(i_));
		yes_ = yes_ || opens(i_);
		i_++
	od;
	i_ = 0;
	yes_ = false
}

/* ---- transactions of the worker ---- */

#define ours(r, f) (s_row && (NAME_ALONE || (s_whose == r && (f == 0 || s_fence == f))))

inline drop_thing() {
	if
	:: thing -> assert(!foreign); thing = false; cred = 0; ghost = false
	:: else
	fi
}

/* Does `what` for r with the fence f; yes_ is the outcome, `next` the fence that comes with it. */
inline transact(r, what, f, b) {
	yes_ = false;
	next = f;
	if
	:: what == CLAIM && !s_row && row[r] -> /* a slot's row refers to its runner's */
		fresh();
		s_row = true; s_whose = r; s_fence = next; s_built = false; s_state = READY;
		yes_ = true
	:: what == MAKE && !thing && (MAKE_UNCHECKED || (ours(r, f) && (MAKE_DROPPING || s_state == READY))) ->
		s_built = s_built || (s_row && s_fence == f);
		thing = true; cred = f; ghost = false;
		yes_ = true
	:: what == RAISE && ours(r, f) && s_state == READY ->
		fresh();
		s_fence = next;
		yes_ = true
	:: what == RENEW && thing && (RENEW_UNCHECKED || ours(r, f)) ->
		cred = f; ghost = false; /* and the sessions of before are ended */
		yes_ = true
	:: what == LOOK && ours(r, f) ->
		s_state = DROPPING;
		next = (FENCE_UNKNOWN -> f : s_fence);
		yes_ = true
	:: what == DROP && ours(r, f) ->
		s_row = false; s_built = false; s_state = READY; s_whose = NOBODY; s_fence = 0;
		if
		:: b && !DROP_IN_TWO -> drop_thing()
		:: else
		fi;
		yes_ = true
	:: what == DROP_ROLE ->
		drop_thing();
		yes_ = true
	:: else
	fi
}

/* ---- what follows from an answer: whatever goes wrong, the slot is dropped ---- */

inline forget(r) {
	slot[r] = NONE; fence[r] = 0; built[r] = false
}

inline follow(r) {
	built[r] = (slot[r] == LOOK -> yes_ && (s_built || UNBUILT_TOO) : built[r]);
	if
	:: slot[r] == CLAIM && yes_ -> fence[r] = next; slot[r] = MAKE
	:: slot[r] == MAKE && yes_  -> slot[r] = FREE
	:: slot[r] == RAISE && yes_ -> fence[r] = next; slot[r] = RENEW
	:: slot[r] == RENEW && yes_ -> slot[r] = FREE
	:: slot[r] == LOOK && yes_  -> fence[r] = next; slot[r] = DROP
	:: slot[r] == DROP && yes_ && built[r] && DROP_IN_TWO -> slot[r] = DROP_ROLE
	:: (slot[r] == CLAIM || slot[r] == MAKE || slot[r] == RAISE || slot[r] == RENEW) && !yes_ -> slot[r] = LOOK
	:: else -> forget(r) /* it is gone, or another's */
	fi;
	next = 0
}

#define talks(r) (slot[r] != NONE && slot[r] != FREE && slot[r] != HELD)

/* Nobody knows whether it was done. A fence that may have been raised is not known either. */
inline despair(r) {
	if
	:: talks(r) ->
		fence[r] = (slot[r] == RAISE -> 0 : fence[r]);
		built[r] = false;
		slot[r] = LOOK
	:: else
	fi
}

/* ---- transactions of the keeper ---- */

#define silent(r) (age[r] > GRACE)

/* Whoever deletes a runner's row has its slots, each under a new fence. */
inline bury(r, was_steady) {
	q_ = 0;
	do
	:: q_ == RUNNERS -> break
	:: else ->
		if
		:: q_ != r && row[q_] && (NEVER_STEADY || (was_steady && (JUDGED_EARLY || age[r] <= GRACE / 2))) &&
		   (LOCK_ALONE || silent(q_)) && (SILENCE_ALONE || !lock[q_]) ->
			assert(!lock[q_]);  /* its session is gone */
			assert(blame[q_]);  /* by what befell it, not because the server was away */
			row[q_] = ROW_STAYS;
			age[q_] = 0;
			if
			:: s_row && s_whose == q_ ->
				fresh();
				s_whose = r; s_fence = next; s_state = INHERITED
			:: else
			fi
		:: else
		fi;
		q_++
	od;
	q_ = 0;
	next = 0
}

/*
 * Rows of ours whose drop has not begun, or that were never built, are told in each pulse: whoever knows of
 * the slot ignores it.
 */
#define untold(r) (s_row && s_whose == r && (s_state == INHERITED || !s_built))

/* ---- sessions break ---- */

inline break_keeper(r) {
	late_judged[r] = (klink[r] && keep[r] == BURY -> judged[r] : late_judged[r]);
	late_bury[r] = late_bury[r] || (klink[r] && keep[r] == BURY);
	stale_lock[r] = lock[r];
	klink[r] = false;
	judged[r] = false;
	keep[r] = (keep[r] == BURY -> BEAT : keep[r]);
	gap[r] = GRACE /* on_down(): steady no more */
}

inline break_worker(r) {
	if
	:: wlink[r] && talks(r) && late[r] == NONE ->
		late[r] = slot[r]; late_fence[r] = fence[r]; late_built[r] = built[r]
	:: else
	fi;
	wlink[r] = false;
	despair(r)
}

/* Its process ends; what it knew ends with it. */
inline end(r) {
	ghost = ghost || opens(r);
	break_keeper(r);
	break_worker(r);
	forget(r);
	life[r] = GONE; keep[r] = IDLE; gap[r] = 0; steady[r] = 0;
	blame[r] = true;
	calm = 0
}

/* ---- PostgreSQL ---- */

#define reaches(r, link) (up && !frozen && (link[r] || life[r] == RUNS))

proctype backend(byte r) {
	do
	:: d_step { reaches(r, wlink) && talks(r) ->
		wlink[r] = true;
		transact(r, slot[r], fence[r], built[r]);
		follow(r);
		check() }
	:: d_step { reaches(r, klink) && keep[r] == BEAT && (row[r] || BACK_AGAIN) ->
		klink[r] = true;
		stale_lock[r] = stale_lock[r] && lock[r];
		lock[r] = true;
		row[r] = true; age[r] = 0; blame[r] = blame[r] && life[r] == PAUSED;
		judged[r] = gap[r] <= GRACE / 2 && steady[r] >= GRACE;
		late_judged[r] = late_judged[r] && JUDGED_EARLY; /* a burial goes with the heartbeat before it */
		keep[r] = BURY }
	/* Fenced: it touches nothing any more, and begins anew as another one. */
	:: d_step { reaches(r, klink) && keep[r] == BEAT && !row[r] && !BACK_AGAIN && life[r] == RUNS -> end(r) }
	:: d_step { reaches(r, klink) && keep[r] == BURY ->
		yes_ = untold(r);
		bury(r, judged[r]);
		if
		:: untold(r) && !(TOLD_ONCE && yes_) && slot[r] == NONE -> fence[r] = s_fence; slot[r] = LOOK
		:: else
		fi;
		steady[r] = (gap[r] > GRACE / 2 -> 0 : steady[r]);
		gap[r] = 0; judged[r] = false;
		keep[r] = IDLE;
		check() }

	/* Late, or it never came. */
	:: d_step { up && !frozen && late[r] != NONE ->
		transact(r, late[r], late_fence[r], late_built[r]);
		late[r] = NONE; late_fence[r] = 0; late_built[r] = false;
		next = 0; calm = 0;
		check() }
	:: d_step { up && !frozen && late[r] != NONE ->
		late[r] = NONE; late_fence[r] = 0; late_built[r] = false; calm = 0 }
	:: d_step { up && !frozen && late_bury[r] ->
		bury(r, late_judged[r]);
		late_bury[r] = false; late_judged[r] = false; calm = 0;
		check() }
	:: d_step { up && !frozen && late_bury[r] -> late_bury[r] = false; late_judged[r] = false; calm = 0 }
	:: d_step { up && !frozen && stale_lock[r] && !late_bury[r] -> stale_lock[r] = false; lock[r] = false; calm = 0 }
	od
}

/* ---- a runner, by itself ---- */

inline begin(r) {
	life[r] = RUNS; klink[r] = true; wlink[r] = true; row[r] = true; lock[r] = true; calm = 0
}

proctype runner(byte r) {
	do
	:: d_step { life[r] == WAITS && up && !frozen -> begin(r) }
	:: d_step { life[r] == RUNS && slot[r] == NONE -> slot[r] = CLAIM }
	:: d_step { life[r] == RUNS && slot[r] == FREE -> /* handed out */
		assert(!row[r] || (thing && cred == fence[r] && !ghost));
		slot[r] = HELD;
		check() }
	:: d_step { life[r] == RUNS && slot[r] == HELD -> /* given back: to be cleaned */
		ghost = ghost || opens(r);
		slot[r] = (AS_IT_IS -> FREE : RAISE) }
	:: d_step { life[r] == RUNS && slot[r] == HELD -> /* or dropped */
		ghost = ghost || opens(r);
		slot[r] = LOOK }
	od
}

/* ---- what befalls them ---- */

proctype misfortune(byte r) {
	do
	:: d_step { may(CRASH) && alive(r) -> faults--; end(r) }
	:: d_step { may(PAUSE) && life[r] == RUNS -> faults--; life[r] = PAUSED; blame[r] = true; calm = 0 }
	:: d_step { life[r] == PAUSED ->
		life[r] = RUNS; calm = 0;
		keep[r] = (keep[r] == IDLE -> BEAT : keep[r]) } /* its timer is over */
	:: d_step { may(CUT) && alive(r) && klink[r] -> faults--; break_keeper(r); blame[r] = true; calm = 0 }
	:: d_step { may(CUT_WORK) && alive(r) && wlink[r] && talks(r) -> faults--; break_worker(r); calm = 0 }
	/* A deadline, longer than half of the grace, is over: the client hangs up, and the server does not hear it. */
	:: d_step { frozen > GRACE / 2 + 1 && life[r] == RUNS && klink[r] && keep[r] != IDLE -> break_keeper(r) }
	od
}

proctype server() {
	byte r;
	do
	:: d_step { may(RESTART) && up && !frozen -> faults--; up = false; calm = 0;
		r = 0;
		do
		:: r == RUNNERS -> break
		:: else ->
			if
			:: alive(r) -> break_keeper(r); break_worker(r)
			:: else
			fi;
			late[r] = NONE; late_fence[r] = 0; late_built[r] = false;
			late_bury[r] = false; late_judged[r] = false;
			stale_lock[r] = false; lock[r] = false;
			r++
		od;
		r = 0 }
	:: d_step { !up -> up = true; calm = 0 }
	:: d_step { may(FREEZE) && up && !frozen -> faults--; frozen = 1; calm = 0 }
	:: d_step { frozen -> frozen = 0; calm = 0 }
	od
}

/* ---- time ---- */

/* Whoever runs and reaches the server has done what was due in this tick. */
#define settled(r) (life[r] != RUNS || (keep[r] == IDLE && !talks(r)))

/* Its runner knows of it, or may: nobody can tell one that is paused from one whose session outlives it. */
#define owned(r) (row[r] && (life[r] == RUNS -> slot[r] != NONE : life[r] == PAUSED || lock[r]))

bool due, any_runs;

proctype clock() {
	byte r;
	do
	:: d_step {
		due = true; any_runs = false;
		r = 0;
		do
		:: r == RUNNERS -> break
		:: else ->
			due = due && (settled(r) || !up || frozen);
			any_runs = any_runs || life[r] == RUNS;
			r++
		od;
		r = 0;
		if
		:: due ->
			do
			:: r == RUNNERS -> break
			:: else ->
				age[r] = (row[r] && age[r] <= GRACE -> age[r] + 1 : age[r]);
				gap[r] = (alive(r) && gap[r] < GRACE -> gap[r] + 1 : gap[r]);
				steady[r] = (alive(r) && steady[r] < GRACE -> steady[r] + 1 : steady[r]);
				keep[r] = (life[r] == RUNS && keep[r] == IDLE -> BEAT : keep[r]);
				r++
			od;
			r = 0;
			frozen = (frozen && frozen <= GRACE -> frozen + 1 : frozen);
			calm = (up && !frozen && faults == 0 && calm < CALM -> calm + 1 : calm);
			/* Everything abandoned is dropped in the end. */
			assert(calm < CALM || !any_runs || !s_row || (s_whose != NOBODY && owned(s_whose)));
			assert(calm < CALM || !any_runs || !thing || foreign || s_row)
		:: else
		fi;
		due = false; any_runs = false }
	od
}

init {
	byte r;
	atomic {
		/* Somebody may have made a schema of that name by hand. */
		if
		:: thing = true; foreign = true
		:: true
		fi;
		do
		:: r == RUNNERS -> break
		:: else ->
			if
			:: r < 2 -> begin(r)
			:: else
			fi;
			run backend(r); run runner(r); run misfortune(r); r++
		od;
		r = 0;
		run server();
		run clock()
	}
}
