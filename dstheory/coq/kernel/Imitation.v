(* SFT: coefficients that are lengths to a power, the gradient in a table, coverage, and the optimum. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia.
From Kernel Require Import Sums Policies Chain Trajectories Gibbs.
Open Scope R_scope.

(* The weight of a stage of length l: l^lambda, lambda any real number. *)
Definition weight (l lambda : R) := Rpower l lambda.

Lemma weight_pos l lambda : 0 < weight l lambda.
Proof. apply exp_pos. Qed.

(* C1: the coefficients have the ratio (l_s/l_d)^lambda, whether they are summed or divided by their sum. *)
Theorem weight_ratio ls ld lambda : 0 < ls -> 0 < ld ->
  weight ls lambda / weight ld lambda = weight (ls / ld) lambda
  /\ (weight ls lambda / (weight ls lambda + weight ld lambda)) / (weight ld lambda / (weight ls lambda + weight ld lambda))
     = weight (ls / ld) lambda.
Proof.
intros S D. assert (E : weight ls lambda / weight ld lambda = weight (ls / ld) lambda).
{ unfold weight, Rpower. rewrite ln_div by assumption. rewrite Rmult_minus_distr_l. unfold Rminus, Rdiv.
  rewrite exp_plus, exp_Ropp. reflexivity. }
split; [exact E|]. rewrite <- E. pose proof (weight_pos ls lambda). pose proof (weight_pos ld lambda). field. lra.
Qed.

(* C1, D1: the weights are balanced exactly if lambda = 0 or both stages are equally long. *)
Theorem weight_balanced_iff ls ld lambda : 0 < ls -> 0 < ld ->
  (weight ls lambda = weight ld lambda <-> lambda = 0 \/ ls = ld).
Proof.
intros S D. unfold weight, Rpower. split.
- intro H. apply exp_inv in H. assert (lambda * (ln ls - ln ld) = 0) as Z by lra. apply Rmult_integral in Z.
  destruct Z as [Z|Z]; [left; exact Z | right; apply ln_inv; [exact S | exact D | lra]].
- intros [-> | ->]; [rewrite !Rmult_0_l; reflexivity | reflexivity].
Qed.

(* C1: the ratio strictly increases in lambda if the sampling stage is the longer one. *)
Theorem weight_ratio_increasing ls ld lambda mu : 0 < ld < ls -> lambda < mu -> weight (ls / ld) lambda < weight (ls / ld) mu.
Proof.
intros L M. apply Rpower_lt; [|exact M]. apply Rmult_lt_reg_r with ld; [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra.
Qed.

(* C2: under the mean of the stages the decision's coefficient strictly decreases in lambda and in l_s, and tends to 0 in l_s. *)
Definition share_of_decision ls ld lambda := weight ld lambda / (weight ls lambda + weight ld lambda).

Lemma share_ratio ls ld lambda : 0 < ls -> 0 < ld -> share_of_decision ls ld lambda = 1 / (weight (ls / ld) lambda + 1).
Proof.
intros S D. destruct (weight_ratio ls ld lambda S D) as [<- _]. unfold share_of_decision.
pose proof (weight_pos ls lambda). pose proof (weight_pos ld lambda). field. lra.
Qed.

Theorem dilution ls ld lambda mu : 0 < ld < ls -> lambda < mu -> share_of_decision ls ld mu < share_of_decision ls ld lambda.
Proof.
intros L M. rewrite !share_ratio by lra. pose proof (weight_ratio_increasing ls ld lambda mu L M).
pose proof (weight_pos (ls / ld) lambda). unfold Rdiv. rewrite !Rmult_1_l. apply Rinv_lt_contravar; [apply Rmult_lt_0_compat; lra | lra].
Qed.

Theorem dilution_length l ls ld lambda : 0 < ld -> 0 < l < ls -> 0 < lambda ->
  share_of_decision ls ld lambda < share_of_decision l ld lambda.
Proof.
intros D L M. unfold share_of_decision, weight. assert (W : Rpower l lambda < Rpower ls lambda) by (apply Rlt_Rpower_l; [exact M | lra]).
pose proof (exp_pos (lambda * ln l)) as A. pose proof (exp_pos (lambda * ln ld)) as B. fold (Rpower l lambda) in A. fold (Rpower ld lambda) in B.
unfold Rdiv. apply Rmult_lt_compat_l; [exact B|]. apply Rinv_lt_contravar; [apply Rmult_lt_0_compat; lra | lra].
Qed.

Theorem dilution_limit ld lambda eps : 0 < ld -> 0 < lambda -> 0 < eps ->
  exists L, 0 < L /\ forall ls, L < ls -> 0 < share_of_decision ls ld lambda < eps.
Proof.
intros D M E. set (X := weight ld lambda / eps). assert (PX : 0 < X) by (apply Rdiv_lt_0_compat; [apply weight_pos | exact E]).
exists (Rpower X (/ lambda)). assert (P : 0 < Rpower X (/ lambda)) by apply exp_pos. split; [exact P|]. intros ls H.
assert (W : X < weight ls lambda).
{ unfold weight. rewrite <- (Rpower_1 X) by exact PX. replace 1 with (/ lambda * lambda) by (field; lra). rewrite <- Rpower_mult.
  apply Rlt_Rpower_l; [exact M | lra]. }
pose proof (weight_pos ld lambda) as B. pose proof (weight_pos ls lambda) as A. unfold share_of_decision. split; [apply Rdiv_lt_0_compat; lra|].
apply Rmult_lt_reg_r with (weight ls lambda + weight ld lambda); [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra.
assert (X * eps = weight ld lambda) by (unfold X; field; lra). nra.
Qed.

(* C6: filtered SFT, coefficients F w_s and F w_d with F = 1 for right trajectories, updates by w_s and w_d times what reward F gives
   to each stage; any number of answers and turns. *)
Theorem filtered_update n pi s ls lstop lres F ws wd T k h :
  Ex n pi s T k (rule_sum ls lstop lres (fun h l => F (whole h l) * ws) (fun h l => F (whole h l) * wd) T k h)
  = ws * Ex n pi s T k (fun l => F (whole h l) * rule_sum ls lstop lres one none T k h l)
    + wd * Ex n pi s T k (fun l => F (whole h l) * rule_sum ls lstop lres none one T k h l).
Proof.
rewrite <- !Ex_scal, <- Ex_plus. apply Ex_ext. intro l. revert T k h.
induction l as [|[y d] l I]; intros [|T] k h; simpl; rewrite ?I;
  try change (whole ((y, d) :: h)%list l) with (whole h ((y, d) :: l)%list); unfold one, none; ring.
Qed.

(* The objective on one prompt: the mean log-likelihood of the demonstrator's trajectories, turn by turn, with weight w y for answer y
   and v for decisions. It is the value of the demonstrator's chain with weighted log-probabilities as rewards. *)
Definition sft n (piE sE pi s w : nat -> R) v :=
  value n piE sE (fun y => w y * ln (pi y) + v * ln (s y)) (fun y => w y * ln (pi y) + v * ln (1 - s y)) 1.

Lemma sft_sum n piE sE pi s w v : sft n piE sE pi s w v
  = turns n piE sE 1 * Sum n (fun y => piE y * (w y * ln (pi y) + v * (sE y * ln (s y) + (1 - sE y) * ln (1 - s y)))).
Proof.
unfold sft, value, turns, turn_reward. rewrite (Sum_ext n _ (fun y => piE y * (w y * ln (pi y) + v * (sE y * ln (s y)
  + (1 - sE y) * ln (1 - s y))))) by (intros; ring). unfold Rdiv. ring.
Qed.

(* Its gradient in the logit of answer j: n_E (w_j piE_j - pi_j sum w piE), n_E the demonstrator's turns. *)
Theorem sft_sampling n piE sE z s w v j : (0 < n)%nat -> (j < n)%nat ->
  is_derive (fun x => sft n piE sE (softmax n (upd z j x)) s w v) (z j)
    (turns n piE sE 1 * (w j * piE j - softmax n z j * Sum n (fun y => w y * piE y))).
Proof.
intros N Hj. apply is_derive_ext with (fun x => turns n piE sE 1 *
  Sum n (fun y => piE y * (w y * ln (softmax n (upd z j x) y) + v * (sE y * ln (s y) + (1 - sE y) * ln (1 - s y))))).
- intro x. rewrite sft_sum. reflexivity.
- apply is_derive_scal. evar_last.
  + apply (Sum_derive n (fun x y => piE y * (w y * ln (softmax n (upd z j x) y) + v * (sE y * ln (s y) + (1 - sE y) * ln (1 - s y))))
      (fun y => piE y * (w y * (delta y j - softmax n z j) + 0))).
    intros y Hy. apply is_derive_scal. apply (sum_derive (fun x => w y * ln (softmax n (upd z j x) y)) (fun _ => _));
      [|apply @is_derive_const]. apply is_derive_scal. evar_last.
    * apply (softmax_log_derive n N (upd z j) (fun k => delta k j)); [exact Hy | intros; apply upd_derive].
    * unfold score. f_equal. rewrite Sum_delta by exact Hj. apply softmax_ext; [intros; apply upd_self | exact Hj].
  + rewrite (Sum_ext n _ (fun y => (w y * piE y) * delta y j + (- softmax n z j) * (w y * piE y))) by (intros; ring).
    rewrite Sum_plus, Sum_scal, (Sum_delta n (fun y => w y * piE y)) by exact Hj. ring.
Qed.

(* Its gradient when stop logits move along any differentiable curve (a table, features, a bias that answers share); *)
Theorem sft_decisions n piE sE pi (tau : R -> nat -> R) tau' w v t : (forall y, (y < n)%nat -> is_derive (fun x => tau x y) t (tau' y)) ->
  is_derive (fun x => sft n piE sE pi (fun y => sigmoid (tau x y)) w v) t
    (turns n piE sE 1 * (v * Sum n (fun y => piE y * (sE y - sigmoid (tau t y)) * tau' y))).
Proof.
intro D. apply is_derive_ext with (fun x => turns n piE sE 1 *
  Sum n (fun y => piE y * (w y * ln (pi y) + v * (sE y * ln (sigmoid (tau x y)) + (1 - sE y) * ln (1 - sigmoid (tau x y)))))).
- intro x. rewrite sft_sum. reflexivity.
- apply is_derive_scal. rewrite <- Sum_scal.
  apply (Sum_derive n (fun x y => piE y * (w y * ln (pi y) + v * (sE y * ln (sigmoid (tau x y)) + (1 - sE y) * ln (1 - sigmoid (tau x y)))))).
  intros y Hy. destruct (sigmoid_log_derive (tau t y)) as [A B]. evar_last.
  + apply is_derive_scal. apply (sum_derive (fun _ => _) (fun x => v * (sE y * ln (sigmoid (tau x y)) + (1 - sE y) * ln (1 - sigmoid (tau x y)))));
      [apply @is_derive_const|]. apply is_derive_scal.
    apply (sum_derive (fun x => sE y * ln (sigmoid (tau x y))) (fun x => (1 - sE y) * ln (1 - sigmoid (tau x y)))); apply is_derive_scal.
    * apply (is_derive_comp (fun u => ln (sigmoid u)) (fun x => tau x y)); [exact A | apply D, Hy].
    * apply (is_derive_comp (fun u => ln (1 - sigmoid u)) (fun x => tau x y)); [exact B | apply D, Hy].
  + unfold scal, zero; simpl; unfold mult; simpl. ring.
Qed.

(* C3: in the stop logit of answer j it is v n_E piE_j (sE_j - s_j), in proportion to the visits of demonstrations; *)
Theorem sft_decision n piE sE pi tau w v j : (j < n)%nat ->
  is_derive (fun x => sft n piE sE pi (fun y => sigmoid (upd tau j x y)) w v) (tau j)
    (turns n piE sE 1 * (v * piE j * (sE j - sigmoid (tau j)))).
Proof.
intro Hj. evar_last; [apply (sft_decisions n piE sE pi (upd tau j) (fun y => delta y j)); intros; apply upd_derive|].
rewrite (Sum_delta n (fun y => piE y * (sE y - sigmoid (upd tau j (tau j) y)))) by exact Hj. rewrite upd_self. ring.
Qed.

(* so it is exactly zero at any weight where demonstrations never go, and only there or where the policy already agrees. *)
Theorem coverage n piE sE tau v j : policy n piE sE -> ends n piE sE 1 -> 0 < v ->
  (turns n piE sE 1 * (v * piE j * (sE j - sigmoid (tau j))) = 0 <-> piE j = 0 \/ sE j = sigmoid (tau j)).
Proof.
intros P E V. pose proof (discounted_in n piE sE 1 P E) as D.
assert (N : 0 < turns n piE sE 1) by (apply Rdiv_lt_0_compat; lra). split.
- intro H. apply Rmult_integral in H. destruct H as [H|H]; [lra|]. apply Rmult_integral in H.
  destruct H as [H|H]; [left|right; lra]. apply Rmult_integral in H. destruct H; [lra|assumption].
- intros [-> | ->]; ring.
Qed.

(* C5-lengths: the sampling gradient vanishes in every logit exactly at pi_y proportional to w_y piE_y; *)
Theorem sft_stationary n piE z w : (0 < n)%nat -> 0 < Sum n (fun y => w y * piE y) ->
  ((forall j, (j < n)%nat -> w j * piE j - softmax n z j * Sum n (fun y => w y * piE y) = 0)
   <-> forall j, (j < n)%nat -> softmax n z j = w j * piE j / Sum n (fun y => w y * piE y)).
Proof.
intros N W. set (S := Sum n (fun y => w y * piE y)) in *. clearbody S. split; intros H j Hj.
- apply Rmult_eq_reg_r with S; [|lra]. pose proof (H j Hj). unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra.
- rewrite (H j Hj). field. lra.
Qed.

(* C5: if all answers weigh the same, at the demonstrator alone, whatever the weight; *)
Theorem sft_expert n piE z w : (0 < n)%nat -> 0 < w -> Sum n piE = 1 ->
  ((forall j, (j < n)%nat -> w * piE j - softmax n z j * Sum n (fun y => w * piE y) = 0)
   <-> forall j, (j < n)%nat -> softmax n z j = piE j).
Proof.
intros N W H. rewrite Sum_scal, H. split; intros X j Hj; pose proof (X j Hj); nra.
Qed.

(* and there the objective is largest: demonstrations visit every answer and decide either way there. *)
Theorem sft_maximum n piE sE pi s w v : policy n piE sE -> ends n piE sE 1 ->
  (forall y, (y < n)%nat -> 0 < piE y) -> (forall y, (y < n)%nat -> 0 < sE y < 1) ->
  Sum n pi = 1 -> (forall y, (y < n)%nat -> 0 < pi y) -> (forall y, (y < n)%nat -> 0 < s y < 1) -> 0 <= w -> 0 <= v ->
  sft n piE sE pi s (fun _ => w) v <= sft n piE sE piE sE (fun _ => w) v.
Proof.
intros P E PE SE H Pp Ps W V. rewrite !sft_sum. pose proof (discounted_in n piE sE 1 P E) as D.
assert (N : 0 < turns n piE sE 1) by (apply Rdiv_lt_0_compat; lra).
apply Rmult_le_compat_l; [lra|].
assert (A : Sum n (fun y => piE y * (w * ln (pi y))) <= Sum n (fun y => piE y * (w * ln (piE y)))).
{ destruct P as [HE _]. destruct (gibbs n piE pi HE H (fun y Hy => Rlt_le _ _ (PE y Hy)) Pp) as [G _]. unfold KL in G.
  rewrite (Sum_ext n _ (fun y => piE y * ln (piE y) - piE y * ln (pi y))) in G by (intros; rewrite ln_div by auto; ring).
  rewrite Sum_minus in G.
  rewrite (Sum_ext n (fun y => piE y * (w * ln (pi y))) (fun y => w * (piE y * ln (pi y)))) by (intros; ring).
  rewrite (Sum_ext n (fun y => piE y * (w * ln (piE y))) (fun y => w * (piE y * ln (piE y)))) by (intros; ring).
  rewrite !Sum_scal. nra. }
assert (B : forall y, (y < n)%nat -> sE y * ln (s y) + (1 - sE y) * ln (1 - s y) <= sE y * ln (sE y) + (1 - sE y) * ln (1 - sE y)).
{ intros y Hy. pose proof (SE y Hy) as X. pose proof (Ps y Hy) as Y. destruct (gibbs 2 (two (sE y) (1 - sE y)) (two (s y) (1 - s y))) as [G _].
  - simpl; ring.
  - simpl; ring.
  - intros [|i] _; simpl; lra.
  - intros [|i] _; simpl; lra.
  - unfold KL in G; simpl in G. rewrite !ln_div in G by lra. lra. }
rewrite (Sum_ext n _ (fun y => piE y * (w * ln (pi y)) + piE y * (v * (sE y * ln (s y) + (1 - sE y) * ln (1 - s y))))) by (intros; ring).
rewrite (Sum_ext n (fun y => piE y * (w * ln (piE y) + _)) (fun y => piE y * (w * ln (piE y))
  + piE y * (v * (sE y * ln (sE y) + (1 - sE y) * ln (1 - sE y))))) by (intros; ring).
rewrite !Sum_plus. apply Rplus_le_compat; [exact A|]. apply Sum_le. intros y Hy. pose proof (PE y Hy). pose proof (B y Hy).
apply Rmult_le_compat_l; [lra|]. apply Rmult_le_compat_l; lra.
Qed.

(* C3 in the minimal chain: w_d n_E (1 - p_E)(b - b_E) in the logit of stopping, hence the claim's w_d n_E (1 - p_E)(b_E - b) in theta_W,
   the logit of resampling; zero if demonstrations are right first time. *)
Corollary C3_minimal pE aE bE t pi w v :
  let nE := 1 / (1 - (pE * (1 - aE) + (1 - pE) * bE)) in
  is_derive (fun x => sft 2 (two pE (1 - pE)) (two aE (1 - bE)) pi (fun y => sigmoid (upd (two 0 t) 1 x y)) w v) t
    (nE * (v * (1 - pE) * ((1 - sigmoid t) - bE))).
Proof.
intro nE. evar_last; [apply (sft_decision 2 (two pE (1 - pE)) (two aE (1 - bE)) pi (two 0 t) w v 1); lia|].
unfold turns, again, nE; simpl. replace (1 - 1 * (0 + pE * (1 - aE) + (1 - pE) * (1 - (1 - bE)))) with (1 - (pE * (1 - aE) + (1 - pE) * bE)) by ring.
ring.
Qed.
