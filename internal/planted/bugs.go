// Package planted names the bugs that the simulation writes into the real code
// to see that it finds them. What ships has none of them: without the build tag
// planted, Is is false where it is compiled, and what it guards is left out.
//
// A bug stands where its right line stands, as `planted.Is(planted.Name)`.
package planted

// Bug is one way to be wrong.
type Bug uint8

// The bugs.
const (
	None                  Bug = iota
	LeaseFromReply            // a lease counts from the grant's arrival, not from before it was asked for
	FailedRenewalCounts       // a renewal that was not answered is taken for granted
	LaggingGranted            // a lease is taken before what it vouches for is applied
	GrantOfTheBeat            // the database grants at the revision that the node says it has
	FencedRenews              // the database renews who was fenced
	FencedAnyway              // the database fences who was renewed meanwhile
	FencedEarly               // a node is fenced while its lease lasts
	NeverActivated            // a node answers while it is still joining
	ReloadLeftOut             // a node that was left behind goes on without loading
	LeaseUnchecked            // a check does not look at the lease
	LeaseJudgedLate           // a check looks at the lease after it has looked the key up
	LeaseByMonotonicOnly      // a lease lasts while the monotonic clock stands still
	LeaseByWallOnly           // a lease lasts as long as the wall clock is set back
	LeaseGrace                // a lease lasts a fifth longer, for the sake of availability
	NotWaited                 // a change waits for nobody
	WaitFromSending           // the wait is counted from before the commit was sent
	NoMargin                  // the wait leaves nothing for clocks of different rates
	OneRevisionShort          // a change waits for the revision before its own
	TimeoutIsSuccess          // a change whose wait was given up is a success
	RepeatNotWaited           // a repeated revocation is answered at once
	NarrowingWidens           // a key that may do less is taken for one that may do more
	SuspensionWidens          // a suspended project is taken for a resumed one
	CreationNotWaited         // a new key is a change that nobody sees
	AcknowledgedUnapplied     // a node acknowledges what it has not applied yet
	ChangeSkipped             // a node leaves a change out
	ToldLater                 // the database tells a node of its own change after the answer
	ReplacedSecretKept        // a secret that was replaced stays good
	MissedSecretKept          // a secret that was replaced twice while nobody told stays good
	MarkNotCompared           // a history with the right numbers is taken for the right history
	BeatNotCompared           // the database renews who knows another history
	TombstonesNotReplayed     // a start does not read the journal of revocations
	ExpiryByOwnClock          // a key expires by the node's clock
	DatabaseTimeBack          // the database's time goes back with its clock

	end // how many there are, None with them
)

// words are what each bug does.
var words = [end]string{
	None:                  "nothing",
	LeaseFromReply:        "a lease counts from the grant's arrival, not from before it was asked for",
	FailedRenewalCounts:   "a renewal that was not answered is taken for granted",
	LaggingGranted:        "a lease is taken before what it vouches for is applied",
	GrantOfTheBeat:        "the database grants at the revision that the node says it has",
	FencedRenews:          "the database renews who was fenced",
	FencedAnyway:          "the database fences who was renewed meanwhile",
	FencedEarly:           "a node is fenced while its lease lasts",
	NeverActivated:        "a node answers while it is still joining",
	ReloadLeftOut:         "a node that was left behind goes on without loading",
	LeaseUnchecked:        "a check does not look at the lease",
	LeaseJudgedLate:       "a check looks at the lease after it has looked the key up",
	LeaseByMonotonicOnly:  "a lease lasts while the monotonic clock stands still",
	LeaseByWallOnly:       "a lease lasts as long as the wall clock is set back",
	LeaseGrace:            "a lease lasts a fifth longer, for the sake of availability",
	NotWaited:             "a change waits for nobody",
	WaitFromSending:       "the wait is counted from before the commit was sent",
	NoMargin:              "the wait leaves nothing for clocks of different rates",
	OneRevisionShort:      "a change waits for the revision before its own",
	TimeoutIsSuccess:      "a change whose wait was given up is a success",
	RepeatNotWaited:       "a repeated revocation is answered at once",
	NarrowingWidens:       "a key that may do less is taken for one that may do more",
	SuspensionWidens:      "a suspended project is taken for a resumed one",
	CreationNotWaited:     "a new key is a change that nobody sees",
	AcknowledgedUnapplied: "a node acknowledges what it has not applied yet",
	ChangeSkipped:         "a node leaves a change out",
	ToldLater:             "the database tells a node of its own change after the answer",
	ReplacedSecretKept:    "a secret that was replaced stays good",
	MissedSecretKept:      "a secret that was replaced twice while nobody told stays good",
	MarkNotCompared:       "a history with the right numbers is taken for the right history",
	BeatNotCompared:       "the database renews who knows another history",
	TombstonesNotReplayed: "a start does not read the journal of revocations",
	ExpiryByOwnClock:      "a key expires by the node's clock",
	DatabaseTimeBack:      "the database's time goes back with its clock",
}

// String is what the bug does, in a sentence.
func (b Bug) String() string { return words[b] }

// Bugs lists all but None.
func Bugs() []Bug {
	out := make([]Bug, 0, end)
	for b := None + 1; b < end; b++ {
		out = append(out, b)
	}
	return out
}
