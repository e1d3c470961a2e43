(* H9-answers: a verifier whose errors belong to answers, for any number of answers. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia.
From Kernel Require Import Sums Policies Chain Accuracy Gradient.
Open Scope R_scope.

(* Answer y is accepted with chance f y; the chain is neither capped nor discounted. *)
Section Verifier.
Variables (n : nat) (z tau f : nat -> R) (right : nat -> bool).
Hypothesis answers : (0 < n)%nat.
Let pi := softmax n z.
Let s y := sigmoid (tau y).
Definition paid n pi s f := value n pi s f (fun _ => 0) 1.
Let F := paid n pi s f.
Let Acc := accuracy n pi s right.
Let N := turns n pi s 1.
(* The derivatives of what is paid and of the accuracy in the sampling logit and in the stop logit of answer j. *)
Definition h_s j := N * (pi j * s j * (f j - F)).
Definition g_s j := N * (pi j * s j * (ind right j - Acc)).
Definition h_d j := N * (pi j * (s j * (1 - s j)) * (f j - F)).
Definition g_d j := N * (pi j * (s j * (1 - s j)) * (ind right j - Acc)).
(* All right answers are accepted at one rate, and all wrong ones at one rate. *)
Definition one_rate_each := exists u v, forall j, (j < n)%nat -> f j = if right j then u else v.

Theorem verifier_gradients j : (j < n)%nat ->
  is_derive (fun x => paid n (softmax n (upd z j x)) s f) (z j) (h_s j)
  /\ is_derive (fun x => accuracy n (softmax n (upd z j x)) s right) (z j) (g_s j)
  /\ is_derive (fun x => paid n pi (fun y => sigmoid (upd tau j x y)) f) (tau j) (h_d j)
  /\ is_derive (fun x => accuracy n pi (fun y => sigmoid (upd tau j x y)) right) (tau j) (g_d j).
Proof.
intro J. unfold paid, accuracy.
split; [|split; [|split]]; (evar_last; [first [apply (sampling_gradient n z tau) | apply (decision_gradient n z tau)]; lra || assumption|]).
- unfold h_s, Q_answer, F, paid, N, pi, s. ring.
- unfold g_s, Q_answer, Acc, accuracy, N, pi, s. ring.
- unfold h_d, F, paid, N, pi, s. ring.
- unfold g_d, Acc, accuracy, N, pi, s. ring.
Qed.

Lemma open_table : (forall j, 0 < pi j) /\ (forall j, 0 < s j < 1) /\ 0 < N /\ 1 - again n pi s = Sum n (fun y => pi y * s y) /\ 0 < 1 - again n pi s.
Proof.
assert (P : forall j, 0 < pi j) by (intro; apply softmax_pos, answers). assert (S : forall j, 0 < s j < 1) by (intro; apply sigmoid_in).
assert (E : 1 - again n pi s = Sum n (fun y => pi y * s y)).
{ unfold again. rewrite <- (softmax_sum n answers z) at 1. fold pi. rewrite <- Sum_minus. apply Sum_ext; intros; ring. }
assert (Q : 0 < 1 - again n pi s).
{ rewrite E. apply Sum_pos; [exact answers|]. intros y _. apply Rmult_lt_0_compat; [apply P | apply S]. }
repeat split; try apply P; try apply S; try assumption. unfold N, turns. apply Rdiv_lt_0_compat; lra.
Qed.

(* Paid u for right and v for wrong submissions, a policy gets u Acc + v (1 - Acc). *)
Lemma paid_two u v : (forall j, (j < n)%nat -> f j = if right j then u else v) -> F = u * Acc + v * (1 - Acc).
Proof.
intro H. destruct open_table as [_ [_ [_ [E Q]]]]. unfold F, paid, Acc, accuracy, value.
assert (T : turn_reward n pi s f (fun _ => 0) = (u - v) * turn_reward n pi s (ind right) (fun _ => 0) + v * (1 - again n pi s)).
{ rewrite E. unfold turn_reward. rewrite <- !Sum_scal, <- Sum_plus. apply Sum_ext. intros y Y. rewrite H by exact Y. unfold ind. destruct (right y); ring. }
rewrite T. field. lra.
Qed.

Lemma parallel (k : nat -> R) : (forall j, (j < n)%nat -> 0 < k j) ->
  ((exists lambda, forall j, (j < n)%nat -> k j * (f j - F) = lambda * (k j * (ind right j - Acc))) <-> one_rate_each).
Proof.
intro K. split.
- intros [lambda H]. exists (F + lambda * (1 - Acc)), (F + lambda * (0 - Acc)). intros j J. pose proof (H j J) as E. pose proof (K j J) as P.
  assert (X : f j - F = lambda * (ind right j - Acc)) by (apply (Rmult_eq_reg_l (k j)); lra).
  unfold ind in X. destruct (right j); lra.
- intros [u [v H]]. exists (u - v). intros j J. rewrite (paid_two u v H), (H j J). unfold ind. destruct (right j); ring.
Qed.

(* The gradient of what is paid is a multiple of the accuracy's, at either stage, exactly if there is one rate for all right answers and
   one for all wrong ones. *)
Theorem errors_of_answers :
  ((exists lambda, forall j, (j < n)%nat -> h_s j = lambda * g_s j) <-> one_rate_each)
  /\ ((exists lambda, forall j, (j < n)%nat -> h_d j = lambda * g_d j) <-> one_rate_each).
Proof.
destruct open_table as [P [S [Q _]]]. split.
- rewrite <- (parallel (fun j => N * (pi j * s j))) by (intros; apply Rmult_lt_0_compat; [exact Q | apply Rmult_lt_0_compat; [apply P | apply S]]).
  unfold h_s, g_s. split; intros [lambda H]; exists lambda; intros j J; pose proof (H j J); lra.
- rewrite <- (parallel (fun j => N * (pi j * (s j * (1 - s j))))).
  + unfold h_d, g_d. split; intros [lambda H]; exists lambda; intros j J; pose proof (H j J); lra.
  + intros j _. pose proof (S j). apply Rmult_lt_0_compat; [exact Q | apply Rmult_lt_0_compat; [apply P | apply Rmult_lt_0_compat; lra]].
Qed.
End Verifier.

(* Both sides occur: three answers of which 0 and 1 are right; rates 1, 1, 0 are one rate each, rates 1, 1/2, 0 are not. *)
Example rates_of_three : let right j := Nat.leb j 1 in
  one_rate_each 3 (fun j => match j with O | 1%nat => 1 | _ => 0 end) right
  /\ ~ one_rate_each 3 (fun j => match j with O => 1 | 1%nat => 1 / 2 | _ => 0 end) right.
Proof.
split.
- exists 1, 0. intros [|[|j]] J; reflexivity.
- intros [u [v H]]. pose proof (H 0%nat ltac:(lia)) as A. pose proof (H 1%nat ltac:(lia)) as B. simpl in A, B. lra.
Qed.
