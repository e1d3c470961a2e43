(* What coefficients say at one visited state: n answers with probabilities pi, then m decisions with probabilities pd y. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia.
From Kernel Require Import Sums.
Open Scope R_scope.

(* The expected update of logit j of a table with coefficients c: sum_i pi_i c_i (1[i = j] - pi_j). *)
Definition update n (pi c : nat -> R) (j : nat) := Sum n (fun i => pi i * c i * (delta i j - pi j)).

Lemma update_advantage n pi c j : (j < n)%nat -> update n pi c j = pi j * (c j - Sum n (fun i => pi i * c i)).
Proof.
intro Hj. unfold update.
rewrite (Sum_ext n _ (fun i => (pi i * c i) * delta i j + (- pi j) * (pi i * c i))) by (intros; ring).
rewrite Sum_plus, Sum_scal, (Sum_delta n (fun i => pi i * c i)) by exact Hj. ring.
Qed.

(* B3 as an equivalence, one stage: two coefficients have the same expected update exactly if they differ by a number. *)
Theorem gauge_iff n pi c c' : Sum n pi = 1 -> (forall i, (i < n)%nat -> 0 < pi i) ->
  ((forall j, (j < n)%nat -> update n pi c j = update n pi c' j) <-> exists b, forall i, (i < n)%nat -> c i = c' i + b).
Proof.
intros H P. split.
- intro E. exists (Sum n (fun i => pi i * c i) - Sum n (fun i => pi i * c' i)). intros i Hi.
  pose proof (E i Hi) as X. rewrite !update_advantage in X by exact Hi. apply Rmult_eq_reg_l in X; [lra | apply Rgt_not_eq, P, Hi].
- intros [b B] j Hj. rewrite !update_advantage by exact Hj. rewrite (B j Hj).
  rewrite (Sum_ext n (fun i => pi i * c i) (fun i => pi i * c' i + pi i * b)) by (intros i Hi; rewrite (B i Hi); ring).
  rewrite Sum_plus, Sum_scal_r, H. ring.
Qed.

(* B3 as an equivalence, both stages: rules c_s(y, d), c_d(y, d) update all logits of both tables alike exactly if the means of c_s
   given y differ by a number, and c_d by a function of y. Balance is not among the things that this preserves. *)
Theorem rules_iff n m pi pd cs cd cs' cd' : Sum n pi = 1 -> (forall y, (y < n)%nat -> 0 < pi y) ->
  (forall y, (y < n)%nat -> Sum m (pd y) = 1) -> (forall y d, (y < n)%nat -> (d < m)%nat -> 0 < pd y d) ->
  let mean c y := Sum m (fun d => pd y d * c y d) in
  ((forall j, (j < n)%nat -> update n pi (mean cs) j = update n pi (mean cs') j)
   /\ (forall y j, (y < n)%nat -> (j < m)%nat -> pi y * update m (pd y) (cd y) j = pi y * update m (pd y) (cd' y) j)
   <-> (exists b, forall y, (y < n)%nat -> mean cs y = mean cs' y + b)
       /\ (forall y, (y < n)%nat -> exists b, forall d, (d < m)%nat -> cd y d = cd' y d + b)).
Proof.
intros H P Hd Pd mean. rewrite (gauge_iff n pi (mean cs) (mean cs') H P). split; intros [A B]; (split; [exact A|]).
- intros y Hy. apply (gauge_iff m (pd y) (cd y) (cd' y) (Hd y Hy)); [intros d D; apply Pd; assumption|].
  intros j Hj. apply Rmult_eq_reg_l with (pi y); [apply B; assumption | apply Rgt_not_eq, P, Hy].
- intros y j Hy Hj. f_equal. revert j Hj. apply (gauge_iff m (pd y) (cd y) (cd' y) (Hd y Hy)); [intros d D; apply Pd; assumption|].
  apply B, Hy.
Qed.

(* B3-every: f(y, d) = c_s(y) + c_d(y, d) - E[c_d | y], given to both stages, updates any parameters as the rule does; ls and ld are
   the scores of any parametrisation, shared between stages or not. *)
Theorem balanced_form n m pi pd cs cd ls ld :
  Sum n (fun y => pi y * ls y) = 0 -> (forall y, (y < n)%nat -> Sum m (pd y) = 1) ->
  (forall y, (y < n)%nat -> Sum m (fun d => pd y d * ld y d) = 0) ->
  let f y d := cs y + cd y d - Sum m (fun d => pd y d * cd y d) in
  Sum n (fun y => pi y * Sum m (fun d => pd y d * (f y d * ls y + f y d * ld y d)))
  = Sum n (fun y => pi y * Sum m (fun d => pd y d * (cs y * ls y + cd y d * ld y d))).
Proof.
intros _ Hd Z f. apply Sum_ext; intros y Hy. f_equal. unfold f. set (c := Sum m (fun d => pd y d * cd y d)).
rewrite (Sum_ext m _ (fun d => pd y d * (cs y * ls y + cd y d * ld y d)
  + (ls y * (pd y d * cd y d) + ((- c * ls y) * pd y d + (cs y - c) * (pd y d * ld y d))))) by (intros; ring).
rewrite !Sum_plus, !Sum_scal, Hd, Z by exact Hy. fold c. ring.
Qed.

(* C1-balanced as an equivalence: let demonstrations stop at an answer with probability D and the policy with s. Coefficients f_stop and
   f_res, given to both stages, have the expected updates of SFT with weights w_s and w_d at that answer - its two equations below -
   for some choice exactly if demonstrations both stop and resample there, or the weights agree. *)
Theorem sft_balanced_iff D s ws wd : 0 <= D <= 1 -> 0 < s < 1 ->
  ((exists f_stop f_res, D * f_stop + (1 - D) * f_res = ws
      /\ D * f_stop * (1 - s) + (1 - D) * f_res * (- s) = wd * (D * (1 - s) + (1 - D) * (- s)))
   <-> 0 < D < 1 \/ ws = wd).
Proof.
intros HD Hs. split.
- intros [u [v [E F]]]. destruct (Req_dec D 0) as [->|N]; [right; nra|]. destruct (Req_dec D 1) as [->|M]; [right; nra|]. left; lra.
- intros [H| ->].
  + exists ((wd * (D - s) + ws * s) / D), ((ws * (1 - s) - wd * (D - s)) / (1 - D)). split; field; lra.
  + exists wd, wd. split; ring.
Qed.
