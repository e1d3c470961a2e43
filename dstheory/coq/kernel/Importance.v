(* O9-importance: responses of another policy, weighed by ratios, for chains of any number of answers and turns. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia List.
From Kernel Require Import Sums Trajectories.
Open Scope R_scope.

Section Ratios.
Variables (n : nat) (pi s mu m : nat -> nat -> R).
(* pi and s are the policy's probabilities of an answer and of a stop at every turn, mu and m those of the policy that generates. *)
Definition answer_ratio k y := pi k y / mu k y.
Definition decision_ratio k y (d : bool) := if d then s k y / m k y else (1 - s k y) / (1 - m k y).
(* The ratio of a whole response from turn k on; at the cap no decision is drawn. *)
Fixpoint ratio T k (l : trajectory) {struct l} : R := match l with
  | nil => 1
  | (y, d) :: rest => answer_ratio k y * match T with O => 1 | S T => decision_ratio k y d * ratio T (S k) rest end end.

Hypothesis answers : forall k y, (y < n)%nat -> mu k y <> 0.
Hypothesis decisions : forall k y, (y < n)%nat -> 0 < m k y < 1.

(* Weighed by the ratio of the whole response, everything has the mean that it has under the policy itself. *)
Theorem whole_ratio T : forall k F, Ex n mu m T k (fun l => ratio T k l * F l) = Ex n pi s T k F.
Proof.
induction T as [|T I]; intros k F; simpl; apply Sum_ext; intros y Hy; pose proof (answers k y Hy).
- unfold answer_ratio. field. assumption.
- pose proof (decisions k y Hy). rewrite <- (I (S k) (fun l => F ((y, false) :: l))).
  rewrite (Ex_ext n mu m T (S k) _ (fun l => (answer_ratio k y * decision_ratio k y false) * (ratio T (S k) l * F ((y, false) :: l)))) by (intro; simpl; ring).
  rewrite Ex_scal. unfold answer_ratio, decision_ratio. field. repeat split; lra || assumption.
Qed.

(* A ratio above C counts as C: what is lost is the mean of (w - C) X over the responses whose ratio w is above C. *)
Theorem capped_ratio T k C X :
  Ex n mu m T k (fun l => Rmin (ratio T k l) C * X l)
  = Ex n pi s T k X - Ex n mu m T k (fun l => if Rle_dec (ratio T k l) C then 0 else (ratio T k l - C) * X l).
Proof.
rewrite <- whole_ratio. rewrite (Ex_ext n mu m T k (fun l => Rmin _ _ * _)
  (fun l => ratio T k l * X l + (-1) * (if Rle_dec (ratio T k l) C then 0 else (ratio T k l - C) * X l))).
- rewrite Ex_plus, Ex_scal. ring.
- intro l. unfold Rmin. destruct (Rle_dec (ratio T k l) C); ring.
Qed.
End Ratios.

(* So the credit F - J times the score, on another policy's responses and weighed by the ratio of the whole response, is the gradient of
   the policy's own mean of F, with any constant J as baseline: any differentiable policy, any function F of the trajectory. *)
Theorem importance_gradient n (pi s : R -> nat -> nat -> R) mu m ls lstop lres (F : trajectory -> R) J t T k :
  (forall k y, (y < n)%nat -> mu k y <> 0) -> (forall k y, (y < n)%nat -> 0 < m k y < 1) ->
  (forall k, Sum n (pi t k) = 1) -> (forall k, Sum n (fun y => pi t k y * ls k y) = 0) ->
  (forall k y, (y < n)%nat -> is_derive (fun x => pi x k y) t (pi t k y * ls k y)) ->
  (forall k y, (y < n)%nat -> is_derive (fun x => s x k y) t (s t k y * lstop k y)) ->
  (forall k y, (y < n)%nat -> s t k y * lstop k y + (1 - s t k y) * lres k y = 0) ->
  is_derive (fun x => Ex n (pi x) (s x) T k F) t
    (Ex n mu m T k (fun l => ratio (pi t) (s t) mu m T k l * ((F l - J) * rule_sum ls lstop lres one one T k nil l))).
Proof.
intros A D S Zs DP DS Zd. rewrite whole_ratio by assumption.
evar_last; [apply (policy_gradient n pi s ls lstop lres (fun _ => F) (fun _ => 0) t T DP DS Zd (fun l => is_derive_const (F l) t) k nil)|].
destruct (scores_mean_zero n (pi t) (s t) S ls lstop lres Zs Zd T k nil) as [Z1 Z2].
assert (RA : forall l T k h, rule_sum ls lstop lres one one T k h l = rule_sum ls lstop lres one none T k h l + rule_sum ls lstop lres none one T k h l).
{ clear. induction l as [|[y d] l I]; intros [|T] k h; simpl; rewrite ?I; unfold one, none; ring. }
set (R := rule_sum ls lstop lres one one T k nil). set (A1 := rule_sum ls lstop lres one none T k nil) in *. set (A2 := rule_sum ls lstop lres none one T k nil) in *.
change (Ex n (pi t) (s t) T k (fun l => F l * R l + 0) = Ex n (pi t) (s t) T k (fun l => (F l - J) * R l)). symmetry.
rewrite (Ex_ext n (pi t) (s t) T k (fun l => (F l - J) * R l) (fun l => (F l * R l + 0) + (- J) * (A1 l + A2 l))) by (intro l; unfold R, A1, A2; rewrite RA; ring).
rewrite (Ex_plus n (pi t) (s t) T k (fun l => F l * R l + 0)), Ex_scal, (Ex_plus n (pi t) (s t) T k A1), Z1, Z2. ring.
Qed.

(* With the ratio of each action instead, it may be something else, without any cap: two turns, answer 0 is right, all probabilities 1/2
   but that the other policy stops at right answers with chance 3/4. What multiplies the first answer's score is the ratio of that answer,
   which is 1, times the reward. *)
Definition coin (_ _ : nat) := 1 / 2.
Definition stops_more (_ y : nat) := match y with O => 3 / 4 | _ => 1 / 2 end.
Definition first_score k y := match k, y with O, O => 1 / 2 | O, _ => - (1 / 2) | _, _ => 0 end.
Definition submitted_right (l : trajectory) := match fst (last l (1%nat, true)) with O => 1 | _ => 0 end.
Definition by_action : coefficient := fun h l => match l with nil => 0 | (y, _) :: _ => answer_ratio coin coin (length h) y * submitted_right (whole h l) end.
Definition none_drawn (_ _ : nat) := 0.

Theorem ratios_of_actions :
  Ex 2 coin stops_more 1 0 (rule_sum first_score none_drawn none_drawn by_action none 1 0 nil) = 5 / 32
  /\ Ex 2 coin coin 1 0 (rule_sum first_score none_drawn none_drawn (return_form submitted_right) none 1 0 nil) = 1 / 8.
Proof. unfold coin, stops_more, by_action, answer_ratio, none_drawn, return_form, submitted_right, none. simpl. split; field. repeat split; unfold coin; lra. Qed.

(* The hypotheses can be met: that policy, which is positive everywhere, and scores of two equally likely answers. *)
Example positive_coin : (forall k y, (y < 2)%nat -> coin k y <> 0) /\ (forall k y, (y < 2)%nat -> 0 < stops_more k y < 1)
  /\ (forall k, Sum 2 (coin k) = 1) /\ forall k, Sum 2 (fun y => coin k y * first_score k y) = 0.
Proof.
unfold coin, stops_more, first_score. split; [intros; lra|]. split; [intros k [|y] _; lra|]. split; intro k; [simpl; field | destruct k; simpl; field].
Qed.
