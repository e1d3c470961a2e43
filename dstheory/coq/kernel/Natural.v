(* F3: what natural gradients make of the weights of the stages, for any number of answers and turns, and for SFT. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia.
From Kernel Require Import Sums Policies Trajectories Chain Energy Fisher Imitation Training.
Open Scope R_scope.

(* Any chain that is capped, a policy of its own at every turn. u and v are the gradients of the stages without their weights: what the
   objective gains along a direction of the sampling logits, and of the stop logits. *)
Section Capped.
Variables (n : nat) (pi s : nat -> nat -> R) (T : nat) (u v : (nat -> nat -> R) -> R).
Hypothesis sums : forall k, Sum n (pi k) = 1.
Hypothesis nothing : u still = 0 /\ v still = 0.
Definition fisher a d a' d' := Ex n pi s T 0 (fun l => scores n pi s a d T 0 nil l * scores n pi s a' d' T 0 nil l).

(* A natural step (a, d) at the weights ws and wd: F x = ws u + wd v. *)
Definition natural_step ws wd a d := forall a' d', fisher a d a' d' = ws * u a' + wd * v d'.
(* The direction that moves the logit of answer y at turn k alone. *)
Definition unit k y : nat -> nat -> R := fun j i => delta j k * delta i y.

Lemma fisher_sum a d a' d' : fisher a d a' d' = Sum (S T) (fun j => reach n pi s 0 j * turn_information n pi s a d a' d' (T - j) j).
Proof. exact (scores_information n pi s sums a d a' d' T 0 nil). Qed.

Lemma fisher_blocks a d a' d' : fisher a d a' d' = fisher a still a' still + fisher still d still d'.
Proof.
rewrite !fisher_sum, <- Sum_plus. apply Sum_ext. intros j _. rewrite <- Rmult_plus_distr_l. f_equal. unfold turn_information.
rewrite (Sum_zero n (fun y => pi j y * (ls n pi still j y * ls n pi still j y))) by (intros; rewrite still_ls; ring).
destruct (T - j)%nat; [ring|]. rewrite (Sum_zero n (fun y => pi j y * (s j y * (1 - s j y) * (still j y * still j y)))) by (intros; unfold still; ring). ring.
Qed.

Lemma fisher_unit_sampling a k y : (k <= T)%nat -> (y < n)%nat ->
  fisher a still (unit k y) still = reach n pi s 0 k * pi k y * ls n pi a k y.
Proof.
intros Hk Hy. rewrite fisher_sum.
rewrite (Sum_ext (S T) _ (fun j => (reach n pi s 0 j * (pi j y * ls n pi a j y)) * delta j k)); [rewrite Sum_delta by lia; ring|].
intros j _. rewrite Rmult_assoc. f_equal. unfold turn_information.
assert (E : forall i, ls n pi (unit k y) j i = delta j k * (delta i y - pi j y)).
{ intro i. unfold ls, score, unit. rewrite (Sum_ext n _ (fun i => delta j k * (pi j i * delta i y))) by (intros; ring).
  rewrite Sum_scal, (Sum_delta n (pi j)) by exact Hy. ring. }
rewrite (Sum_ext n _ (fun i => delta j k * (pi j i * ls n pi a j i * delta i y - pi j y * (pi j i * ls n pi a j i)))) by (intros; rewrite E; ring).
rewrite Sum_scal, Sum_minus, Sum_scal, ls_zero, (Sum_delta n (fun i => pi j i * ls n pi a j i)) by (exact Hy || exact sums).
assert (Z : match (T - j)%nat with 0%nat => 0 | S _ => Sum n (fun i => pi j i * (s j i * (1 - s j i) * (still j i * still j i))) end = 0)
  by (destruct (T - j)%nat; [reflexivity | apply Sum_zero; intros; unfold still; ring]).
rewrite Z. ring.
Qed.

Lemma fisher_unit_decision d k y : (k < T)%nat -> (y < n)%nat ->
  fisher still d still (unit k y) = reach n pi s 0 k * (pi k y * (s k y * (1 - s k y) * d k y)).
Proof.
intros Hk Hy. rewrite fisher_sum.
rewrite (Sum_ext (S T) _ (fun j => (reach n pi s 0 j * match (T - j)%nat with 0%nat => 0 | S _ => pi j y * (s j y * (1 - s j y) * d j y) end) * delta j k)).
- rewrite Sum_delta by lia. destruct (T - k)%nat eqn:E; [lia | reflexivity].
- intros j _. rewrite Rmult_assoc. f_equal. unfold turn_information.
  rewrite (Sum_zero n (fun i => pi j i * (ls n pi still j i * ls n pi still j i))) by (intros; rewrite still_ls; ring).
  destruct (T - j)%nat; [ring|]. unfold unit.
  rewrite (Sum_ext n _ (fun i => delta j k * (pi j i * (s j i * (1 - s j i) * d j i) * delta i y))) by (intros; ring).
  rewrite Sum_scal, (Sum_delta n (fun i => pi j i * (s j i * (1 - s j i) * d j i))) by exact Hy. ring.
Qed.

(* F3, any chain: scores of the two stages are uncorrelated, so that each stage solves its own equation, and a natural step is, where
   the chain goes, the stage's own weight times a number without weights: in the score of an answer, and in a stop logit. *)
Theorem natural_stages ws wd a d : natural_step ws wd a d ->
  (forall a' d', fisher a' still still d' = 0)
  /\ (forall a', fisher a still a' still = ws * u a') /\ (forall d', fisher still d still d' = wd * v d')
  /\ (forall k y, (k <= T)%nat -> (y < n)%nat -> 0 < reach n pi s 0 k -> 0 < pi k y ->
        ls n pi a k y = ws * (u (unit k y) / (reach n pi s 0 k * pi k y)))
  /\ (forall k y, (k < T)%nat -> (y < n)%nat -> 0 < reach n pi s 0 k -> 0 < pi k y -> 0 < s k y < 1 ->
        d k y = wd * (v (unit k y) / (reach n pi s 0 k * pi k y * (s k y * (1 - s k y))))).
Proof.
intro N. destruct nothing as [U V].
assert (O : forall a' d', fisher a' still still d' = 0).
{ intros a' d'. rewrite fisher_sum. apply Sum_zero. intros j _. unfold turn_information.
  rewrite (Sum_zero n (fun y => pi j y * (ls n pi a' j y * ls n pi still j y))) by (intros; rewrite still_ls; ring).
  destruct (T - j)%nat; [ring|]. rewrite (Sum_zero n (fun y => pi j y * (s j y * (1 - s j y) * (still j y * d' j y)))) by (intros; unfold still; ring). ring. }
assert (SZ : fisher still still still still = 0) by apply O.
assert (A : forall a', fisher a still a' still = ws * u a').
{ intro a'. pose proof (N a' still) as E. rewrite fisher_blocks, V in E. rewrite (fisher_blocks still d still still) in E.
  assert (Z : fisher still d still still = 0).
  { rewrite fisher_sum. apply Sum_zero. intros j _. unfold turn_information.
    rewrite (Sum_zero n (fun y => pi j y * (ls n pi still j y * ls n pi still j y))) by (intros; rewrite still_ls; ring).
    destruct (T - j)%nat; [ring|]. rewrite Sum_zero by (intros; unfold still; ring). ring. }
  rewrite Z in E. rewrite SZ in E. lra. }
assert (D : forall d', fisher still d still d' = wd * v d').
{ intro d'. pose proof (N still d') as E. rewrite fisher_blocks, U in E.
  assert (Z : fisher a still still still = 0) by apply O. lra. }
split; [exact O|]. split; [exact A|]. split; [exact D|]. split; intros k y Hk Hy R P.
- pose proof (A (unit k y)) as E. rewrite fisher_unit_sampling in E by assumption.
  assert (Q : 0 < reach n pi s 0 k * pi k y) by (apply Rmult_lt_0_compat; assumption).
  apply Rmult_eq_reg_l with (reach n pi s 0 k * pi k y); [|lra]. rewrite E. field. lra.
- intro S. pose proof (D (unit k y)) as E. rewrite fisher_unit_decision in E by assumption.
  assert (Q : 0 < reach n pi s 0 k * pi k y * (s k y * (1 - s k y))) by (repeat apply Rmult_lt_0_compat; lra).
  apply Rmult_eq_reg_l with (reach n pi s 0 k * pi k y * (s k y * (1 - s k y))); [|lra].
  transitivity (wd * v (unit k y)); [rewrite <- E; ring|]. field. repeat split; lra.
Qed.
End Capped.

(* A trust region scales steps to a length: x^T F x = ws^2 e_s + wd^2 e_d, e_s and e_d the energies at weight 1, becomes radius. A number
   wd y of the decision's step then strictly falls in ws. *)
Lemma trust_region ws more wd e_s e_d radius y : 0 < ws < more -> 0 < wd -> 0 < e_s -> 0 <= e_d -> 0 < radius -> y <> 0 ->
  Rabs (sqrt (radius / (more ^ 2 * e_s + wd ^ 2 * e_d)) * (wd * y)) < Rabs (sqrt (radius / (ws ^ 2 * e_s + wd ^ 2 * e_d)) * (wd * y)).
Proof.
intros W D ES ED R Y. rewrite !Rabs_mult. apply Rmult_lt_compat_r.
- apply Rmult_lt_0_compat; apply Rabs_pos_lt; [lra | exact Y].
- rewrite !Rabs_pos_eq by apply sqrt_pos. assert (0 <= wd ^ 2 * e_d) by (apply Rmult_le_pos; [apply pow2_ge_0 | exact ED]).
  assert (0 < ws ^ 2 * e_s) by (apply Rmult_lt_0_compat; [apply pow2_gt_0; lra | exact ES]).
  assert (ws ^ 2 * e_s < more ^ 2 * e_s) by (apply Rmult_lt_compat_r; [exact ES | nra]).
  apply sqrt_lt_1_alt. split; [apply Rdiv_le_0_compat; lra|]. apply Rmult_lt_compat_l; [exact R|]. apply Rinv_lt_contravar; [apply Rmult_lt_0_compat; lra | lra].
Qed.

(* A stationary chain without a cap: the Fisher information of directions that are the same at every turn, as the limit of capped chains. *)
Definition information n pi s a d a' d' := turns n pi s 1 *
  (Sum n (fun y => pi y * (score n a pi y * score n a' pi y)) + Sum n (fun y => pi y * (s y * (1 - s y) * (d y * d' y)))).

Theorem information_limit n pi s a d a' d' : policy n pi s -> again n pi s < 1 ->
  is_lim_seq (fun T => fisher n (fun _ => pi) (fun _ => s) T (fun _ => a) (fun _ => d) (fun _ => a') (fun _ => d')) (information n pi s a d a' d').
Proof.
intros P Q1. pose proof (again_in n pi s P) as Q. set (q := again n pi s) in *.
set (A := Sum n (fun y => pi y * (score n a pi y * score n a' pi y))). set (D := Sum n (fun y => pi y * (s y * (1 - s y) * (d y * d' y)))).
assert (R : forall j k, reach n (fun _ => pi) (fun _ => s) k j = q ^ j) by (induction j as [|j I]; intro k; simpl; [reflexivity | rewrite I; reflexivity]).
assert (G : forall T, (1 - q) * Sum T (fun j => q ^ j) = 1 - q ^ T) by (induction T as [|T I]; [simpl; ring|]; cbn [Sum]; rewrite Rmult_plus_distr_l, I; simpl; ring).
apply is_lim_seq_ext with (fun T => turns n pi s 1 * (A * (1 - q ^ S T) + D * (1 - q ^ T))).
- intro T. unfold fisher. rewrite (scores_information n (fun _ => pi) (fun _ => s) (fun _ => proj1 P)).
  rewrite (Sum_ext (S T) _ (fun j => A * q ^ j + match (T - j)%nat with 0%nat => 0 | S _ => D * q ^ j end)).
  2:{ intros j _. rewrite R. unfold turn_information. change (Sum n (fun y => pi y * (ls n (fun _ => pi) (fun _ => a) (0 + j) y * ls n (fun _ => pi) (fun _ => a') (0 + j) y))) with A.
      destruct (T - j)%nat; [ring|]. fold D. ring. }
  rewrite Sum_plus, Sum_scal. cbn [Sum]. rewrite Nat.sub_diag, (Sum_ext T (fun j => match (T - j)%nat with 0%nat => 0 | S _ => D * q ^ j end) (fun j => D * q ^ j)).
  2:{ intros j Hj. destruct (T - j)%nat eqn:E; [lia | reflexivity]. }
  rewrite Sum_scal, Rplus_0_r. change (Sum T (pow q)) with (Sum T (fun j => q ^ j)). pose proof (G (S T)) as G1. cbn [Sum] in G1. pose proof (G T) as G0. unfold turns. fold q. rewrite Rmult_1_l, <- G1, <- G0. field. lra.
- replace (information n pi s a d a' d') with (turns n pi s 1 * (A * (1 - 0) + D * (1 - 0))) by (unfold information; fold A D; ring).
  assert (L : is_lim_seq (fun T => q ^ T) 0) by (apply is_lim_seq_geom; rewrite Rabs_pos_eq; lra).
  apply (is_lim_seq_scal_l _ _ (Finite _)). apply is_lim_seq_plus'; apply (is_lim_seq_scal_l _ _ (Finite _)); apply is_lim_seq_minus'; try apply is_lim_seq_const.
  + apply (is_lim_seq_incr_1 (fun T => q ^ T)), L.
  + exact L.
Qed.

(* SFT on tables of logits, without a cap. *)
Section Sft.
Variables (n : nat) (piE sE z tau : nat -> R).
Hypothesis demonstrator : policy n piE sE /\ ends n piE sE 1.
Hypothesis answers : (0 < n)%nat.
Let pi := softmax n z.
Let s y := sigmoid (tau y).
Notation F := (information n pi s).
Definition along_table (x e : nat -> R) r y := x y + r * e y.

(* A natural step at the weights w and v: F x is the derivative of the objective, in every direction. *)
Definition natural_sft w v a d := forall a' d',
  is_derive (fun r => sft n piE sE (softmax n (along_table z a' r)) (fun y => sigmoid (along_table tau d' r y)) (fun _ => w) v) 0 (F a d a' d').

(* The steps without weights: in the score of answer y, and in its stop logit. *)
Definition answer_step y := turns n piE sE 1 / turns n pi s 1 * (piE y / pi y - 1).
Definition decision_step y := turns n piE sE 1 / turns n pi s 1 * (piE y * (sE y - s y) / (pi y * (s y * (1 - s y)))).

Lemma pi_open y : 0 < pi y.
Proof. apply softmax_pos, answers. Qed.

Lemma pi_one : Sum n pi = 1.
Proof. apply softmax_sum, answers. Qed.

Lemma turns_open : 0 < turns n pi s 1.
Proof.
apply turns_pos.
- split; [exact pi_one|]. split; intros y _; [pose proof (pi_open y); lra | pose proof (sigmoid_in (tau y)); unfold s; lra].
- right. split; [reflexivity|]. exists 0%nat. split; [exact answers|]. split; [apply pi_open | apply sigmoid_in].
Qed.

Lemma sft_along w v a d : is_derive (fun r => sft n piE sE (softmax n (along_table z a r)) (fun y => sigmoid (along_table tau d r y)) (fun _ => w) v) 0
  (turns n piE sE 1 * (w * Sum n (fun y => piE y * score n a pi y) + v * Sum n (fun y => piE y * (sE y - s y) * d y))).
Proof.
assert (L : forall x e y, is_derive (fun r => along_table x e r y) 0 (e y)) by (intros; unfold along_table; auto_derive; [exact I | ring]).
assert (Z : forall x e y, along_table x e 0 y = x y) by (intros; unfold along_table; ring).
apply is_derive_ext with (fun r => turns n piE sE 1 * Sum n (fun y => piE y * (w * ln (softmax n (along_table z a r) y)
  + v * (sE y * ln (sigmoid (along_table tau d r y)) + (1 - sE y) * ln (1 - sigmoid (along_table tau d r y)))))); [intro; rewrite sft_sum; reflexivity|].
apply is_derive_scal. evar_last.
- apply (Sum_derive n (fun r y => piE y * (w * ln (softmax n (along_table z a r) y)
    + v * (sE y * ln (sigmoid (along_table tau d r y)) + (1 - sE y) * ln (1 - sigmoid (along_table tau d r y)))))
    (fun y => w * (piE y * score n a pi y) + v * (piE y * (sE y - s y) * d y))). intros y Hy. evar_last.
  + apply is_derive_scal. apply (sum_derive (fun r => w * ln (softmax n (along_table z a r) y))
      (fun r => v * (sE y * ln (sigmoid (along_table tau d r y)) + (1 - sE y) * ln (1 - sigmoid (along_table tau d r y))))); apply is_derive_scal.
    * apply (softmax_log_derive n answers (along_table z a) a); [exact Hy | intros; apply L].
    * destruct (sigmoid_log_derive (tau y)) as [A B]. rewrite <- (Z tau d y) in A, B.
      apply (sum_derive (fun r => sE y * ln (sigmoid (along_table tau d r y))) (fun r => (1 - sE y) * ln (1 - sigmoid (along_table tau d r y)))); apply is_derive_scal.
      -- apply (is_derive_comp (fun x => ln (sigmoid x)) (fun r => along_table tau d r y)); [exact A | apply L].
      -- apply (is_derive_comp (fun x => ln (1 - sigmoid x)) (fun r => along_table tau d r y)); [exact B | apply L].
  + unfold scal; simpl; unfold mult; simpl. rewrite !Z. fold (s y).
    assert (E : score n a (softmax n (along_table z a 0)) y = score n a pi y).
    { unfold score. f_equal. apply Sum_ext. intros i Hi. f_equal. apply softmax_ext; [intros; apply Z | exact Hi]. }
    rewrite E. ring.
- rewrite Sum_plus, !Sum_scal. reflexivity.
Qed.

Lemma information_value a d a' d' : F a d a' d' = turns n pi s 1 *
  (Sum n (fun y => pi y * score n a pi y * a' y) + Sum n (fun y => pi y * (s y * (1 - s y)) * d y * d' y)).
Proof.
unfold information. f_equal. f_equal; [|apply Sum_ext; intros; ring]. set (m := Sum n (fun k => pi k * a' k)).
rewrite (Sum_ext n _ (fun y => pi y * score n a pi y * a' y + (- m) * (pi y * score n a pi y))) by (intros; unfold score at 2; fold m; ring).
rewrite Sum_plus, Sum_scal, (score_mean_zero n a pi pi_one). ring.
Qed.

(* F3, SFT: natural steps exist; each stage's is its own weight times a step without weights, so that the decision's does not depend on w
   and the ratio of the stages' steps is in proportion to w/v. Their energy is w^2 e_s + v^2 e_d. Scaled to a trust region, the decision's
   step strictly falls in w, at every answer where it is not 0, unless sampling already agrees with the demonstrator. *)
Theorem natural_sft_steps w v : (exists a d, natural_sft w v a d)
  /\ forall a d, natural_sft w v a d ->
     (forall y, (y < n)%nat -> score n a pi y = w * answer_step y /\ d y = v * decision_step y)
     /\ let e_s := turns n pi s 1 * Sum n (fun y => pi y * answer_step y ^ 2) in
        let e_d := turns n pi s 1 * Sum n (fun y => pi y * (s y * (1 - s y)) * decision_step y ^ 2) in
        F a d a d = w ^ 2 * e_s + v ^ 2 * e_d
        /\ forall w' a' d' radius y, natural_sft w' v a' d' -> 0 < w < w' -> 0 < v -> 0 < radius ->
           (exists j, (j < n)%nat /\ piE j <> pi j) -> (y < n)%nat -> decision_step y <> 0 ->
           Rabs (sqrt (radius / F a' d' a' d') * d' y) < Rabs (sqrt (radius / F a d a d) * d y).
Proof.
pose proof turns_open as N. destruct demonstrator as [[H [PE SE]] E]. assert (NE : 0 < turns n piE sE 1) by (apply turns_pos; [split; [exact H | split; assumption] | exact E]).
assert (S : forall y, 0 < s y * (1 - s y)) by (intro y; pose proof (sigmoid_in (tau y)); unfold s; apply Rmult_lt_0_compat; lra).
assert (STEPS : forall w v a d, natural_sft w v a d -> forall y, (y < n)%nat -> score n a pi y = w * answer_step y /\ d y = v * decision_step y).
{ clear w v. intros w v a d NAT y Hy. pose proof (pi_open y) as P. pose proof (S y) as SY. split.
  - pose proof (NAT (fun i => delta i y) (fun _ => 0)) as D. apply is_derive_unique in D. rewrite (is_derive_unique _ _ _ (sft_along w v _ _)) in D.
    rewrite information_value, (Sum_delta n (fun y => pi y * score n a pi y)), (Sum_zero n (fun y => pi y * (s y * (1 - s y)) * d y * 0)),
      (Sum_zero n (fun y => piE y * (sE y - s y) * 0)) in D by (exact Hy || intros; ring).
    rewrite (Sum_ext n (fun i => piE i * score n (fun i => delta i y) pi i) (fun i => piE i * delta i y - pi y * piE i)) in D
      by (intros i Hi; unfold score; rewrite Sum_delta by exact Hy; ring).
    rewrite Sum_minus, Sum_scal, Sum_delta, H in D by exact Hy. unfold answer_step.
    apply Rmult_eq_reg_l with (turns n pi s 1 * pi y); [|apply Rgt_not_eq, Rmult_lt_0_compat; assumption].
    transitivity (turns n piE sE 1 * (w * (piE y - pi y * 1) + v * 0)); [rewrite D; ring | field; lra].
  - pose proof (NAT (fun _ => 0) (fun i => delta i y)) as D. apply is_derive_unique in D. rewrite (is_derive_unique _ _ _ (sft_along w v _ _)) in D.
    rewrite information_value, (Sum_delta n (fun y => pi y * (s y * (1 - s y)) * d y)), (Sum_delta n (fun y => piE y * (sE y - s y))),
      (Sum_zero n (fun y => pi y * score n a pi y * 0)) in D by (exact Hy || intros; ring).
    rewrite (Sum_zero n (fun i => piE i * score n (fun _ => 0) pi i)) in D
      by (intros i Hi; unfold score; rewrite Sum_zero by (intros; ring); ring).
    unfold decision_step. apply Rmult_eq_reg_l with (turns n pi s 1 * (pi y * (s y * (1 - s y))));
      [|apply Rgt_not_eq, Rmult_lt_0_compat; [exact N | apply Rmult_lt_0_compat; assumption]].
    transitivity (turns n piE sE 1 * (w * 0 + v * (piE y * (sE y - s y)))); [rewrite D; ring|].
    pose proof (sigmoid_in (tau y)). fold (s y) in *. field. repeat split; lra. }
assert (ENERGY : forall w v a d, natural_sft w v a d -> F a d a d = w ^ 2 * (turns n pi s 1 * Sum n (fun y => pi y * answer_step y ^ 2))
  + v ^ 2 * (turns n pi s 1 * Sum n (fun y => pi y * (s y * (1 - s y)) * decision_step y ^ 2))).
{ clear w v. intros w v a d NAT. pose proof (STEPS w v a d NAT) as ST. unfold information.
  rewrite (Sum_ext n (fun y => pi y * (score n a pi y * score n a pi y)) (fun y => w ^ 2 * (pi y * answer_step y ^ 2)))
    by (intros y Hy; rewrite (proj1 (ST y Hy)); ring).
  rewrite (Sum_ext n (fun y => pi y * (s y * (1 - s y) * (d y * d y))) (fun y => v ^ 2 * (pi y * (s y * (1 - s y)) * decision_step y ^ 2)))
    by (intros y Hy; rewrite (proj2 (ST y Hy)); ring).
  rewrite !Sum_scal. ring. }
split.
- exists (fun y => w * (turns n piE sE 1 / turns n pi s 1 * (piE y / pi y))), (fun y => v * decision_step y). intros a' d'.
  evar_last; [apply sft_along|]. unfold information.
  set (a := fun y => w * (turns n piE sE 1 / turns n pi s 1 * (piE y / pi y))).
  rewrite (Sum_ext n (fun y => pi y * (score n a pi y * score n a' pi y))
    (fun y => w * (turns n piE sE 1 / turns n pi s 1) * (piE y * score n a' pi y) + (- Sum n (fun k => pi k * a k)) * (pi y * score n a' pi y))).
  2:{ intros y Hy. pose proof (pi_open y). unfold score at 1. unfold a at 1. field. lra. }
  rewrite Sum_plus, !Sum_scal, (score_mean_zero n a' pi pi_one).
  rewrite (Sum_ext n (fun y => pi y * (s y * (1 - s y) * (v * decision_step y * d' y)))
    (fun y => v * (turns n piE sE 1 / turns n pi s 1) * (piE y * (sE y - s y) * d' y))).
  2:{ intros y Hy. pose proof (pi_open y). pose proof (sigmoid_in (tau y)). unfold decision_step. fold (s y) in *. field. repeat split; lra. }
  rewrite Sum_scal. field. lra.
- intros a d NAT. split; [exact (STEPS w v a d NAT)|]. intros e_s e_d. split; [exact (ENERGY w v a d NAT)|].
  intros w' a' d' radius y NAT' W V R [j [Hj DJ]] Hy Y.
  rewrite (ENERGY w v a d NAT), (ENERGY w' v a' d' NAT'), (proj2 (STEPS w v a d NAT y Hy)), (proj2 (STEPS w' v a' d' NAT' y Hy)).
  apply trust_region; try assumption.
  + apply Rmult_lt_0_compat; [exact N|]. apply (Sum_pos_one n _ j Hj).
    * apply Rmult_lt_0_compat; [apply pi_open|]. apply pow2_gt_0. unfold answer_step. pose proof (pi_open j) as P.
      apply Rmult_integral_contrapositive_currified; [apply Rgt_not_eq, Rdiv_lt_0_compat; assumption|].
      intro C. apply DJ. apply Rmult_eq_reg_r with (/ pi j); [|apply Rgt_not_eq, Rinv_0_lt_compat, P]. rewrite Rinv_r by lra. unfold Rdiv in C. lra.
    * intros i Hi. apply Rmult_le_pos; [apply Rlt_le, pi_open | apply pow2_ge_0].
  + apply Rmult_le_pos; [lra|]. apply Sum_nonneg. intros i Hi. apply Rmult_le_pos; [|apply pow2_ge_0].
    apply Rlt_le, Rmult_lt_0_compat; [apply pi_open | apply S].
Qed.
End Sft.

(* In any chain: gradients that some directions a1 and d1 solve at weight 1 are solved by ws a1 and wd d1. *)
Example natural_stages_met n z tau T a1 d1 ws wd : (0 < n)%nat -> let pi := table_pi n z in let s := table_s tau in
  let u a' := fisher n pi s T a1 still a' still in let v d' := fisher n pi s T still d1 still d' in
  let a k y := ws * a1 k y in let d k y := wd * d1 k y in
  natural_step n pi s T u v ws wd a d
  /\ forall y, (y < n)%nat -> (0 < T)%nat -> d 0%nat y = wd * (v (unit 0 y) / (1 * pi 0%nat y * (s 0%nat y * (1 - s 0%nat y)))).
Proof.
intros N pi s u v a d. assert (S : forall k, Sum n (pi k) = 1) by (intro; apply softmax_sum, N).
assert (Z : u still = 0 /\ v still = 0).
{ unfold u, v. rewrite !fisher_sum by exact S. split; apply Sum_zero; intros j _; unfold turn_information;
    rewrite Sum_zero by (intros; rewrite still_ls; ring); (destruct (T - j)%nat; [ring|]); rewrite Sum_zero by (intros; unfold still; ring); ring. }
assert (L : forall k y, ls n pi a k y = ws * ls n pi a1 k y).
{ intros. unfold ls, score, a. rewrite (Sum_ext n _ (fun y => ws * (pi k y * a1 k y))) by (intros; ring). rewrite Sum_scal. ring. }
assert (NAT : natural_step n pi s T u v ws wd a d).
{ intros a' d'. rewrite fisher_blocks by exact S. unfold u, v. rewrite !fisher_sum by exact S. rewrite <- !Sum_scal. f_equal; apply Sum_ext; intros j _;
    unfold turn_information.
  - rewrite (Sum_ext n _ (fun y => ws * (pi j y * (ls n pi a1 j y * ls n pi a' j y)))) by (intros; rewrite L; ring).
    rewrite Sum_scal. destruct (T - j)%nat; [ring|]. rewrite (Sum_zero n (fun y => pi j y * (s j y * (1 - s j y) * (still j y * still j y)))) by (intros; unfold still; ring). ring.
  - rewrite (Sum_zero n (fun y => pi j y * (ls n pi still j y * ls n pi still j y))) by (intros; rewrite still_ls; ring).
    destruct (T - j)%nat; [ring|]. rewrite (Sum_ext n _ (fun y => wd * (pi j y * (s j y * (1 - s j y) * (d1 j y * d' j y))))) by (intros; unfold d; ring).
    rewrite Sum_scal. ring. }
split; [exact NAT|]. intros y Hy HT. destruct (natural_stages n pi s T u v S Z ws wd a d NAT) as [_ [_ [_ [_ H]]]].
apply (H 0%nat y HT Hy); [simpl; lra | apply softmax_pos, N | apply sigmoid_in].
Qed.

(* Fair coins, and demonstrations of 3/4: with twice the weight of sampling the decision's natural step is the same, and shorter within a
   trust region. *)
Example natural_sft_steps_met radius : 0 < radius -> let piE := two (3 / 4) (1 / 4) in let sE := two (3 / 4) (1 / 4) in
  let flat (_ : nat) := 0 in let F := information 2 (softmax 2 flat) (fun y => sigmoid (flat y)) in exists a d a' d' : nat -> R,
  natural_sft 2 piE sE flat flat 1 1 a d /\ natural_sft 2 piE sE flat flat 2 1 a' d' /\ d 0%nat = d' 0%nat
  /\ Rabs (sqrt (radius / F a' d' a' d') * d' 0%nat) < Rabs (sqrt (radius / F a d a d) * d 0%nat).
Proof.
intros R piE sE flat F. assert (P : policy 2 piE sE /\ ends 2 piE sE 1).
{ split; [split; [simpl; lra|]; split; intros [|y] _; simpl; lra|]. right. split; [reflexivity|]. exists 0%nat. simpl. repeat split; lra || lia. }
pose proof (natural_sft_steps 2 piE sE flat flat P ltac:(lia)) as H. destruct (H 1 1) as [[a [d A]] H1]. destruct (H 2 1) as [[a' [d' A']] H2].
destruct (H1 a d A) as [S1 [_ TR]]. destruct (H2 a' d' A') as [S2 _]. exists a, d, a', d'. split; [exact A|]. split; [exact A'|].
destruct (S1 0%nat ltac:(lia)) as [_ D1]. destruct (S2 0%nat ltac:(lia)) as [_ D2]. split; [rewrite D1, D2; reflexivity|].
assert (HALF : sigmoid (flat 0%nat) = 1 / 2) by apply sigmoid_0. assert (PI : forall y, softmax 2 flat y = 1 / 2) by (intro; unfold softmax, Z, flat; simpl; rewrite exp_0; field).
apply (TR 2 a' d' radius 0%nat A'); try lra; try lia.
- exists 0%nat. split; [lia|]. rewrite PI. simpl. lra.
- pose proof (turns_pos 2 piE sE (proj1 P) (proj2 P)) as T1. pose proof (turns_open 2 flat flat ltac:(lia)) as T2. unfold decision_step. rewrite HALF, PI.
  simpl. apply Rmult_integral_contrapositive_currified; [apply Rgt_not_eq, Rdiv_lt_0_compat; assumption | lra].
Qed.
