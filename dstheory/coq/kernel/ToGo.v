(* Returns to go as training code writes them: a discount per stage and no factor for the time that has passed. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia List.
From Kernel Require Import Sums Trajectories.
Open Scope R_scope.

Section ToGo.
(* A reward is any function of the trajectory so far (latest turn first): r after a decision, rl for an answer submitted at the cap. *)
Variables (r rl : trajectory -> R) (g : R).

(* What each stage is paid, one step of time each, with T decisions before the last answer is submitted: an answer nothing, its decision
   its reward. An answer at the cap is submitted, and paid itself. *)
Fixpoint paid (T : nat) (h l : trajectory) {struct l} : list R :=
  match l with
  | nil => nil
  | turn :: rest => match T with O => rl (turn :: h) :: nil | S T => 0 :: r (turn :: h) :: paid T (turn :: h) rest end
  end.

(* The return to go from stage i on, in units of its own time. *)
Fixpoint worth (l : list R) : R := match l with nil => 0 | x :: rest => x + g * worth rest end.
Definition to_go T l i := worth (skipn i (paid T nil l)).

(* It is the sum of what is paid from there on, with a factor g per stage. *)
Lemma to_go_sum T l i : to_go T l i = Sum (length (paid T nil l) - i) (fun j => g ^ j * nth (i + j) (paid T nil l) 0).
Proof.
unfold to_go. generalize (paid T nil l). intro m. revert i.
assert (W : forall m, worth m = Sum (length m) (fun j => g ^ j * nth j m 0)).
{ clear. induction m as [|x m I]; [reflexivity|]. cbn [worth length]. rewrite I. symmetry.
  transitivity (x + Sum (length m) (fun j => g * (g ^ j * nth j m 0))); [|rewrite Sum_scal; reflexivity].
  generalize (length m) as k. induction k as [|k J]; [simpl; ring|]. simpl Sum in *. rewrite J. simpl. ring. }
induction m as [|x m I]; intros [|i]; try reflexivity; [rewrite W; f_equal; simpl; lia|]. apply I.
Qed.

(* B1-dropped, any number of answers and turns, any rewards of decisions: at every turn j with a decision the answer's coefficient is g
   times the decision's. *)
Theorem dropped_ratio : forall l T j, (j < T)%nat -> to_go T l (2 * j) = g * to_go T l (2 * j + 1).
Proof.
unfold to_go. intro l. generalize (@nil (nat * bool)). induction l as [|turn l I]; intros h [|T] [|j] H; try lia;
  try (rewrite !skipn_nil; simpl; ring); simpl paid.
- simpl. ring.
- replace (2 * S j)%nat with (S (S (2 * j))) by lia. replace (S (S (2 * j)) + 1)%nat with (S (S (2 * j + 1))) by lia.
  apply I. lia.
Qed.

(* B1: with the factor for the time that has passed both are equal; B1-loose: without it, and with a discount, they are so only where
   nothing is left to be paid. *)
Theorem outer_factor_balances l T j : (j < T)%nat -> g ^ (2 * j) * to_go T l (2 * j) = g ^ (2 * j + 1) * to_go T l (2 * j + 1).
Proof. intro H. rewrite dropped_ratio, pow_add by exact H. ring. Qed.

Theorem dropped_balanced_iff l T j : (j < T)%nat -> g <> 1 ->
  (to_go T l (2 * j) = to_go T l (2 * j + 1) <-> to_go T l (2 * j + 1) = 0).
Proof.
intros H G. rewrite dropped_ratio by exact H. set (c := to_go T l (2 * j + 1)). clearbody c. split; [|intros ->; ring].
intro E. assert (Z : (g - 1) * c = 0) by lra. apply Rmult_integral in Z. destruct Z; [lra | assumption].
Qed.
End ToGo.
