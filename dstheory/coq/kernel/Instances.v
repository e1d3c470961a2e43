(* Theorems applied to numbers: where many hypotheses stand together, an example shows that all of them can hold at once. The chain of most
   has two answers: the first, given with probability 1/4, is right; right answers are kept with probability 1/2, wrong ones with 1/4. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia.
From Kernel Require Import Sums Policies Chain Accuracy Trajectories Gauge Energy Gibbs Imitation Training Penalty Prompts Attempts Natural Normaliser Optimum Endless Tokens Lengths.
Open Scope R_scope.

Definition quarter := two (1 / 4) (3 / 4).
Definition keep := two (1 / 2) (1 / 4).
Definition first := Nat.eqb 0.
Definition nothing (_ : nat) := 0.
Definition half (_ : nat) := 1 / 2.

Lemma open_quarter : open_chain 2 quarter keep first.
Proof.
split; [simpl; field|]. split; [intros [|y] _; simpl; lra|]. split; [intros [|y] _; simpl; lra|].
split; [exists 0%nat | exists 1%nat]; split; reflexivity || lia.
Qed.
Lemma policy_quarter : policy 2 quarter keep.
Proof. apply (open_policy 2 quarter keep first), open_quarter. Qed.
Lemma ends_quarter : ends 2 quarter keep 1.
Proof. right. split; [reflexivity|]. exists 0%nat. simpl. repeat split; lra || lia. Qed.
Lemma again_quarter : again 2 quarter keep = 11 / 16.
Proof. unfold again. simpl. field. Qed.

Lemma value_quarter : value 2 quarter keep (ind first) nothing 1 = 2 / 5.
Proof. unfold value. rewrite again_quarter. unfold turn_reward, ind, nothing. simpl. field. Qed.

(* Chains. *)
Example bellman_unique_met V : bellman 2 quarter keep (ind first) nothing 1 V <-> V = 2 / 5.
Proof.
rewrite (bellman_unique 2 quarter keep (ind first) nothing 1 V policy_quarter ends_quarter).
rewrite value_quarter. reflexivity.
Qed.

Example value_stagewise_met V : V = Sum 2 (fun y => quarter y * (1 / 2 * (keep y * ind first y + (1 - keep y) * (nothing y + 1 / 2 * V)))) <-> V = 4 / 53.
Proof.
rewrite (value_stagewise 2 quarter keep (ind first) nothing (1 / 2) (1 / 2) V policy_quarter ltac:(left; lra)).
match goal with |- V = ?v <-> _ => replace v with (4 / 53); [reflexivity|] end.
unfold value. rewrite again_quarter. unfold turn_reward, ind, nothing. simpl. field.
Qed.

Example capped_limit_met : is_lim_seq (capped 2 quarter keep (ind first) nothing 1 (ind first)) (2 / 5).
Proof.
rewrite <- value_quarter. apply capped_limit; [exact policy_quarter | exact ends_quarter].
Qed.

Example accuracy_increasing_met : accuracy 2 quarter keep first < accuracy 2 (two (1 / 3) (2 / 3)) keep first.
Proof.
apply accuracy_increasing; [exact open_quarter | | | |]; try (unfold stop_right, stop_wrong, ind; simpl; lra).
split; [simpl; field|]. split; [intros [|y] _; simpl; lra|]. split; [intros [|y] _; simpl; lra|]. split; [exists 0%nat | exists 1%nat]; split; reflexivity || lia.
Qed.

(* Accuracy 2/5 without discount: the energies add up to its variance. *)
Example energy_stationary_met : is_lim_seq
  (fun T => variance_of_return 2 (fun _ => quarter) (fun _ => keep) (fun _ => ind first) (fun _ => nothing) (fun _ => ind first) 1 T 0) (6 / 25).
Proof.
destruct (energy_stationary 2 quarter keep (ind first) nothing 1 (ind first) policy_quarter ends_quarter ltac:(rewrite again_quarter; lra)) as [v [L [E _]]].
rewrite value_quarter, again_quarter in E. unfold turns in E. rewrite again_quarter in E. unfold Q_answer, ind, nothing in E. simpl in E.
field_simplify in E. enough (X : v = Finite (6 / 25)) by (rewrite X in L; exact L). destruct v; simpl in E; [f_equal; lra | lra | lra].
Qed.

Example information_limit_met a d : is_lim_seq
  (fun T => fisher 2 (fun _ => quarter) (fun _ => keep) T (fun _ => a) (fun _ => d) (fun _ => a) (fun _ => d)) (information 2 quarter keep a d a d).
Proof. apply information_limit; [exact policy_quarter | rewrite again_quarter; lra]. Qed.

(* Two prompts on which reflection helps. *)
Example reflection_prompts_met : let pi x := match x with O => quarter | _ => two (1 / 3) (2 / 3) end in
  Sum 2 (fun x => 1 / 2 * P_right 2 (pi x) first) < Sum 2 (fun x => 1 / 2 * accuracy 2 (pi x) keep first).
Proof.
intro pi. apply (reflection_prompts 2 (fun _ => 1 / 2) (fun _ => 2%nat) pi (fun _ => keep) (fun _ => first)).
- simpl. field.
- intros; lra.
- intros [|x] _; [exact open_quarter|]. split; [simpl; field|]. split; [intros [|y] _; simpl; lra|]. split; [intros [|y] _; simpl; lra|].
  split; [exists 0%nat | exists 1%nat]; split; reflexivity || lia.
- intros [|x] _; unfold rate_a, rate_b, stop_right, stop_wrong, P_right, ind; simpl; lra.
Qed.

Example accuracy_at_mean_met : let p := two (1 / 4) (3 / 4) in let D x := x * (3 / 4) + (1 - x) * (1 - 3 / 4) in let Acc x := x * (3 / 4) / D x in
  Acc (1 / 2) - Sum 2 (fun x => 1 / 2 * Acc (p x)) > 0.
Proof.
intros p D Acc. destruct (accuracy_at_mean 2 (fun _ => 1 / 2) p (3 / 4) (3 / 4) ltac:(simpl; field) ltac:(intros; lra)
  ltac:(intros [|x] _; simpl; lra) ltac:(lra) ltac:(lra)) as [_ H].
assert (M : Sum 2 (fun x => 1 / 2 * p x) = 1 / 2) by (simpl; field). rewrite M in H. apply H; [|lra].
exists 0%nat. simpl. repeat split; lra || lia.
Qed.

Example pooled_bias_met L : let p := two (1 / 4) (3 / 4) in let again x := x * (1 - 3 / 4) + (1 - x) * (3 / 4) in
  let Acc x := x * (3 / 4) * (1 - again x ^ L) / (1 - again x) + again x ^ L * x in let K x := Sum (S L) (fun k => again (p x) ^ k) in
  Sum 2 (fun x => 1 / 2 * Acc (p x)) <= Acc (Sum 2 (fun x => 1 / 2 * (p x * K x)) / Sum 2 (fun x => 1 / 2 * K x)).
Proof.
intros p again Acc K. pose proof (pooled_bias 2 (fun _ => 1 / 2) p (3 / 4) (3 / 4) L ltac:(simpl; field) ltac:(intros; lra)
  ltac:(intros [|x] _; simpl; lra) ltac:(lra) ltac:(lra)) as H. cbv zeta in H. fold K in H. fold (again) in H.
change (0 <= (3 / 4 + 3 / 4 - 1) * (Acc (Sum 2 (fun x => 1 / 2 * (p x * K x)) / Sum 2 (fun x => 1 / 2 * K x)) - Sum 2 (fun x => 1 / 2 * Acc (p x)))) in H. lra.
Qed.

(* Coefficients of three equally likely answers: the same update exactly if they differ by a number. *)
Definition third (_ : nat) := 1 / 3.
Lemma third_sum : Sum 3 third = 1.
Proof. unfold third. simpl. field. Qed.

Example gauge_iff_met : (forall j, (j < 3)%nat -> update 3 third (fun i => INR i + 5) j = update 3 third INR j)
  /\ ~ forall j, (j < 3)%nat -> update 3 third (fun i => 2 * INR i) j = update 3 third INR j.
Proof.
assert (P : forall i, (i < 3)%nat -> 0 < third i) by (intros; unfold third; lra). split.
- apply (gauge_iff 3 third (fun i => INR i + 5) INR third_sum P). exists 5. reflexivity.
- intro H. apply (gauge_iff 3 third (fun i => 2 * INR i) INR third_sum P) in H. destruct H as [b B].
  pose proof (B 0%nat ltac:(lia)) as B0. pose proof (B 1%nat ltac:(lia)) as B1. simpl in B0, B1. lra.
Qed.

Example balanced_form_met cs cd : let f y d := cs y + cd y d - Sum 2 (fun d => quarter d * cd y d) in let l := two 3 (-1) in
  Sum 2 (fun y => quarter y * Sum 2 (fun d => quarter d * (f y d * l y + f y d * l d)))
  = Sum 2 (fun y => quarter y * Sum 2 (fun d => quarter d * (cs y * l y + cd y d * l d))).
Proof.
intros f l. apply (balanced_form 2 2 quarter (fun _ => quarter) cs cd l (fun _ => l)); intros; simpl; field.
Qed.

Example gibbs_met : 0 < KL 2 quarter (two (1 / 3) (2 / 3)).
Proof.
destruct (gibbs 2 quarter (two (1 / 3) (2 / 3)) ltac:(simpl; field) ltac:(simpl; field) ltac:(intros [|i] _; simpl; lra) ltac:(intros [|i] _; simpl; lra)) as [[L|E] I].
- exact L.
- exfalso. symmetry in E. pose proof (proj1 I E 0%nat ltac:(lia)) as H. simpl in H. lra.
Qed.

Example reference_fixed_met : ~ forall j, (j < 2)%nat -> update 2 quarter (fun i => ln (quarter i / half i)) j = 0.
Proof.
intro H. destruct (reference_fixed 2 quarter half ltac:(simpl; field) ltac:(unfold half; simpl; field) ltac:(intros [|i] _; simpl; lra) ltac:(intros; unfold half; lra)) as [I _].
pose proof (proj1 I H 0%nat ltac:(lia)) as E. unfold half in E. simpl in E. lra.
Qed.

(* SFT of this chain as demonstrator. *)
Example coverage_met : turns 2 quarter keep 1 * (2 * quarter 0%nat * (keep 0%nat - sigmoid 0)) = 0
  /\ turns 2 quarter keep 1 * (2 * quarter 1%nat * (keep 1%nat - sigmoid 0)) <> 0.
Proof.
split.
- apply (coverage 2 quarter keep nothing 2 0 policy_quarter ends_quarter ltac:(lra)). right. symmetry. apply sigmoid_0.
- intro H. apply (coverage 2 quarter keep nothing 2 1 policy_quarter ends_quarter ltac:(lra)) in H. unfold nothing in H. rewrite sigmoid_0 in H. simpl in H. lra.
Qed.

Example sft_maximum_met : sft 2 quarter keep (two (1 / 2) (1 / 2)) (two (1 / 2) (1 / 2)) (fun _ => 3) 1 <= sft 2 quarter keep quarter keep (fun _ => 3) 1.
Proof.
apply sft_maximum; [exact policy_quarter | exact ends_quarter | | | | | | |]; try lra; try (intros [|y] _; simpl; lra). simpl. field.
Qed.

Lemma softmax_quarter y : (y < 2)%nat -> softmax 2 (two 0 (ln 3)) y = quarter y.
Proof. intro H. unfold softmax, Z. destruct y as [|[|y]]; [| | lia]; simpl; rewrite exp_0, exp_ln by lra; field. Qed.

Example sft_expert_met j : (j < 2)%nat -> 5 * quarter j - softmax 2 (two 0 (ln 3)) j * Sum 2 (fun y => 5 * quarter y) = 0.
Proof. intro H. apply (sft_expert 2 quarter (two 0 (ln 3)) 5); [lia | lra | simpl; field | exact softmax_quarter | exact H]. Qed.

Example sft_stationary_met j : (j < 2)%nat -> let w := two 3 1 in w j * quarter j - softmax 2 (two 0 0) j * Sum 2 (fun y => w y * quarter y) = 0.
Proof.
intros H w. apply (sft_stationary 2 quarter (two 0 0) w); [lia | simpl; lra | | exact H]. intros [|[|i]] Hi; [| | lia]; unfold softmax, Z; simpl; rewrite exp_0; field.
Qed.

Example sft_rates_met : is_derive (fun x => turns 2 quarter keep 1 * (7 * quarter 1%nat * (keep 1%nat - sigmoid x))) (- ln 3) (- (turns 2 quarter keep 1 * 7) * (3 / 4 * (1 / 4 * (1 - 1 / 4)))).
Proof.
apply (sft_rates 2 quarter keep (two 0 (ln 3)) (- ln 3) 1 7 0 1); try lia; [simpl; field | exact softmax_quarter|].
unfold sigmoid. rewrite Ropp_involutive, exp_ln by lra. simpl. field.
Qed.

Example clipping_met : Rabs (clipped_decision 1 1 (fun _ => 1) (fun _ => 1) 2 1 1 0) < Rabs (clipped_decision 1 1 (fun _ => 1) (fun _ => 1) 1 1 1 0).
Proof.
apply (clipping 1 1 (fun _ => 1) (fun _ => 1) 1 2 1 1 0 0); try lia; try lra. unfold norm2. simpl. rewrite <- sqrt_1 at 1. apply sqrt_le_1_alt. lra.
Qed.

(* One logit for answering right, demonstrated with 1/4, and for stopping there, with 1/2: the optimum is 3/10 at equal weights. *)
Example trunk_optimum_met : exists d, d > 0 /\ is_derive (fun x => sft 2 quarter keep (trunk_pi first (fun _ => 1) x) (trunk_s first keep x) (fun _ => 1) 1) (- ln 3) d.
Proof.
destruct (trunk_optimum 2 quarter keep first (fun _ => 1) keep 1 1 (- ln 3) policy_quarter ends_quarter ltac:(lra) ltac:(lra) ltac:(intros; lra)) as [d [D [U _]]].
exists d. split; [|exact D]. apply U. assert (S : sigmoid (- ln 3) = 1 / 4) by (unfold sigmoid; rewrite Ropp_involutive, exp_ln by lra; field).
rewrite S. unfold trunk_best, P_right, stop_right, ind. simpl. lra.
Qed.

Example trunk_moves_met : trunk_best 2 quarter keep first 1 1 = 3 / 10 /\ 1 / 4 < trunk_best 2 quarter keep first 2 1 < 3 / 10.
Proof.
assert (B : trunk_best 2 quarter keep first 1 1 = 3 / 10) by (unfold trunk_best, P_right, stop_right, ind; simpl; field).
destruct (trunk_moves 2 quarter keep first 1 2 1 ltac:(lra) ltac:(lra) ltac:(unfold P_right, ind; simpl; lra)) as [_ [U _]].
assert (P : P_right 2 quarter first = 1 / 4) by (unfold P_right, ind; simpl; field). assert (A : rate_a 2 quarter keep first = 1 / 2) by (unfold rate_a, P_right, stop_right, ind; simpl; field).
rewrite P, A, B in U. split; [exact B|]. apply U. lra.
Qed.

Example stage_mean_time_met x0 x1 : imitation_time 2 quarter keep (1 / (3 + 1)) 1 x0 x1 = 2 * imitation_time 2 quarter keep (1 / 2) 1 x0 x1.
Proof.
destruct (stage_mean_time 2 quarter keep 1 x0 x1 3 1 policy_quarter ends_quarter ltac:(simpl; lra) ltac:(lra) ltac:(lra)) as [E _]. rewrite E. field.
Qed.

Example sft_prompts_met : let z x := match x with O => two 0 (ln 3) | _ => two 0 0 end in let piE x := match x with O => quarter | _ => two (1 / 2) (1 / 2) end in
  forall x j, (x < 2)%nat -> (j < 2)%nat -> 1 / 2 * (16 / 5 * (2 * piE x j - softmax 2 (z x) j * Sum 2 (fun y => 2 * piE x y))) = 0.
Proof.
intros z piE. apply (sft_prompts 2 (fun _ => 1 / 2) (fun _ => 2%nat) piE z (fun _ => 16 / 5) (fun _ => 2)).
- intros [|x] _; repeat split; try lra; try lia; simpl; field.
- intros [|x] j _ Hj; [apply softmax_quarter, Hj|]. unfold z, piE. destruct j as [|[|j]]; [| | lia]; unfold softmax, Z; simpl; rewrite exp_0; field.
Qed.

(* The optimum of one stage: half as reference, temperature 2, action values 1 and 0. *)
Lemma half_pos i : (i < 2)%nat -> 0 < half i.
Proof. intros _. unfold half. lra. Qed.
Lemma half_sum : Sum 2 half = 1.
Proof. unfold half. simpl. field. Qed.

Example pinning_met : 0 <= tilt 2 half 2 (two 1 0) 0 - half 0 - half 0 * (1 - soft 2 half 2 (two 1 0)) / 2 <= 1 / 4.
Proof.
destruct (pinning 2 half 2 half_pos half_sum ltac:(lra) (two 1 0) ltac:(intros [|i] _; simpl; lra) ltac:(lra) 0%nat ltac:(lia)) as [r [E B]].
simpl (two 1 0 0) in E. rewrite E. unfold half in *. lra.
Qed.

Example variational_met : penalised 2 half 2 (two 1 0) quarter = soft 2 half 2 (two 1 0) - 2 * KL 2 quarter (tilt 2 half 2 (two 1 0)).
Proof. apply (variational 2 half 2 half_pos half_sum ltac:(lra)); [simpl; field | intros [|i] _; simpl; lra]. Qed.

Example stage_optimum_met : penalised 2 half 2 (two 1 0) half < soft 2 half 2 (two 1 0).
Proof.
destruct (stage_optimum 2 half 2 half_pos half_sum ltac:(lra) (two 1 0) half half_sum ltac:(intros; unfold half; lra)) as [[L|E] I]; [exact L|].
exfalso. pose proof (proj1 I E 0%nat ltac:(lia)) as H. unfold tilt, mass, half in H. simpl in H. replace (0 / 2) with 0 in H by field. rewrite exp_0 in H.
pose proof (exp_increasing 0 (1 / 2) ltac:(lra)) as X. rewrite exp_0 in X. set (e := exp (1 / 2)) in *. clearbody e.
assert (Y : 1 / 2 * (0 + 1 / 2 * e + 1 / 2 * 1) = 1 / 2 * e) by (rewrite H at 1; field; lra). lra.
Qed.

(* Answers of two tokens, drawn from halves and demonstrated with 3/4 and 1/4: the mean squared ratio is (5/4)^2. *)
Example tree_energy_met nE : let m := fun _ : list nat => 2%nat in let pi := fun _ : list nat => half in let E := fun _ : list nat => two (3 / 4) (1 / 4) in
  exists x, (forall y, 3 * Tok m pi 2 nil (fun l => score_of m pi x l * score_of m pi y l) = sft_slope m pi E nE (fun _ => 1) 2 y)
  /\ sft_slope m pi E nE (fun _ => 1) 2 x = nE ^ 2 / 3 * (9 / 16).
Proof.
intros m pi E. destruct (tree_energy m pi (fun _ => half_sum) (fun _ => half_pos) E ltac:(intro; simpl; field) 3 nE 2 ltac:(lra)) as [[x S] H].
exists x. split; [exact S|]. rewrite (H x S). f_equal. unfold ratio, pi, E, half. simpl. field.
Qed.

(* The best token policy at beta = 1 for a reward of 1 for the answer 0, 0. *)
Example token_optimum_met : let Q := fun l => match l with (0 :: 0 :: nil)%list => 1 | _ => 0 end in
  earnings (fun _ => 2%nat) (fun _ => half) (fun _ => quarter) Q 1 2 nil <= ln ((exp 1 + 3) / 4).
Proof.
intro Q. destruct (token_optimum (fun _ => 2%nat) (fun _ => half) (fun _ => quarter) Q 1 (fun _ => half_pos) (fun _ => half_sum) ltac:(lra)
  ltac:(intro; simpl; field) 2%nat ltac:(intros h [|v] _; simpl; lra)) as [H _].
apply Rle_trans with (1 := H). right. rewrite Rmult_1_l. f_equal. unfold partition, half. simpl. unfold Rdiv. rewrite Rinv_1, !Rmult_1_r, exp_0. field.
Qed.

(* No discount and one temperature: a solution, and a policy that never stops earns less than nothing. *)
Example endless_one_temperature_met : Phi 2 half half (ind first) nothing 1 1 1 (ln ((exp 1 + 1) / 2)) = ln ((exp 1 + 1) / 2)
  /\ never 2 half half nothing 1 1 < 0.
Proof.
destruct (endless_one_temperature 2 half half (ind first) nothing 1 (ln ((exp 1 + 1) / 2)) half_pos half_sum ltac:(intros; unfold half; lra) ltac:(lra)) as [A B].
assert (C : Sum 2 (fun y => half y * (1 - half y) * exp (nothing y / 1)) = 1 / 2).
{ unfold half, nothing. simpl. replace (0 / 1) with 0 by field. rewrite exp_0. field. }
rewrite C in A, B. split; [|apply B; lra]. apply A. split; [lra|]. rewrite Rmult_1_l. f_equal. unfold half, ind. simpl.
replace (1 / 1) with 1 by field. replace (0 / 1) with 0 by field. rewrite exp_0. field.
Qed.

(* Prompts of different lengths: dividing by the length turns the direction. *)
Example direction_kept_iff_met : ~ forall g : nat -> nat -> R, exists c, 0 < c /\ forall i, (i < 2)%nat ->
  Sum 2 (fun x => half x * mean_inverse (quarter x) * g x i) = c * Sum 2 (fun x => half x * g x i).
Proof.
intro H. pose proof (proj1 (direction_kept_iff 2 half quarter 2 half_pos ltac:(intros [|x] _; simpl; lra) ltac:(lia)) H 0%nat 1%nat ltac:(lia) ltac:(lia)) as E.
simpl in E. lra.
Qed.

Example rules_iff_met : (forall j, (j < 2)%nat -> Gauge.update 2 quarter (fun y => Sum 2 (fun d => half d * (INR y + 3))) j
    = Gauge.update 2 quarter (fun y => Sum 2 (fun d => half d * INR y)) j)
  /\ forall y j, (y < 2)%nat -> (j < 2)%nat -> quarter y * Gauge.update 2 half (fun d => INR d + INR y) j = quarter y * Gauge.update 2 half INR j.
Proof.
destruct (rules_iff 2 2 quarter (fun _ => half) (fun y _ => INR y + 3) (fun y d => INR d + INR y) (fun y _ => INR y) (fun _ => INR)
  ltac:(simpl; field) ltac:(intros [|y] _; simpl; lra) (fun _ _ => half_sum) ltac:(intros; unfold half; lra)) as [_ H].
apply H. split; [exists 3; intros; unfold half; simpl; field | intros y _; exists (INR y); reflexivity].
Qed.

(* No answer, and a price of 1 for each resample: who never stops earns less than nothing. *)
Example never_best_met : turn 2 half half nothing (fun _ => -1) 1 1 1 quarter (fun _ => 0) 0 <= never 2 half half (fun _ => -1) 1 1.
Proof.
apply (never_best 2 half half nothing (fun _ => -1) 1 1 half_pos half_sum); try (intros; unfold half; lra); try lra; [simpl; field | intros [|y] _; simpl; lra].
Qed.

Example endless_price_met : never 2 half half (fun _ => -1) 1 1 < 0.
Proof.
apply (endless_price 2 half half (fun _ => -1) 1 1 half_pos half_sum ltac:(intros; unfold half; lra) ltac:(lra) ltac:(lra) 1); [reflexivity | lra].
Qed.

(* Temperatures 1 and 2, and values that equal them: Z0 is e, and the own softmax is stationary though temperatures differ. *)
Example own_softmax_met j : (j < 2)%nat -> let z := fun _ : nat => ln (1 / 2) + 1 in
  is_derive (fun x => penalised_each 2 half (two 1 2) (two 1 2) (softmax 2 (upd z j x))) (z j) 0.
Proof.
intros Hj z. destruct (own_softmax 2 half (two 1 2) (two 1 2) ltac:(lia) half_pos ltac:(intros [|i] _; simpl; lra) z) as [_ H].
- intros [|i] _; unfold z, half; simpl; field.
- apply H; [right|exact Hj]. unfold half. simpl. replace (1 / 1) with 1 by field. replace (2 / 2) with 1 by field. field.
Qed.

(* Decisions' share of the energy of a penalty on long answers: 52/55 in this chain. *)
Example resample_share_met : let N := turns 2 quarter keep 1 in let D := 13 / 64 in
  is_lim_seq (fun L => 1 ^ 2 * (INR L * 1) ^ 2 * N ^ 3 * D / (1 ^ 2 * (N * (INR L * 1) + 11 / 16 * N ^ 2 * (INR L * 1) ^ 2))) (52 / 55).
Proof.
intros N D. destruct (resample_share 2 quarter keep 1 1 1 policy_quarter ltac:(intros [|y] _; simpl; lra) ltac:(intros [|y] _; simpl; lra)
  ltac:(lra) ltac:(lra) ltac:(lra)) as [L _].
assert (E : Sum 2 (fun y => quarter y * (keep y * (1 - keep y))) = D) by (unfold D; simpl; field). rewrite E, again_quarter in L.
replace (52 / 55) with (D / (11 / 16 * (1 - 11 / 16))) by (unfold D; field). exact L.
Qed.

(* Two problems that go on with 1/4 and with 3/4, two decisions. *)
Example pooled_stops_met : pooled 2 half quarter 2 ^ 2 <= on 2 half quarter 2.
Proof.
apply (pooled_stops 2 half quarter half_sum); [intros; unfold half; lra | intros [|x] _; simpl; lra | lia].
Qed.

Example pooled_accuracy_met : 1 <= (1 - pooled 2 half quarter 2 ^ 2) / (1 - on 2 half quarter 2).
Proof.
apply (pooled_accuracy 2 half quarter half_sum ltac:(intros; unfold half; lra) ltac:(intros [|x] _; simpl; lra) (fun _ => 1) 2 ltac:(lia)).
unfold on, half. simpl. lra.
Qed.

(* Independent tokens of two symbols: halves, demonstrated with 3/4 and 1/4; a row's chi2 is 1/4. *)
Lemma chi2_quarter i : row_chi2 (fun _ => 2%nat) (fun _ => half) (fun _ => two (3 / 4) (1 / 4)) i = 1 / 4.
Proof. unfold row_chi2, half. simpl. field. Qed.

Example row_energy_met nE : let m := at_position (fun _ => 2%nat) in let pi := at_position (fun _ => half) in let E := at_position (fun _ => two (3 / 4) (1 / 4)) in
  exists X, (forall Y, 3 * Tok m pi 3 nil (fun l => score_of m pi (at_position X) l * score_of m pi (at_position Y) l)
      = sft_slope m pi E nE (at_position (fun i => INR (S i))) 3 (at_position Y))
  /\ sft_slope m pi E nE (at_position (fun i => INR (S i))) 3 (at_position X) = nE ^ 2 / 3 * (7 / 2).
Proof.
intros m pi E. destruct (row_energy (fun _ => 2%nat) (fun _ => half) (fun _ => two (3 / 4) (1 / 4)) (fun _ => half_sum) ltac:(intro; simpl; field)
  (fun _ => half_pos) 3 nE (fun i => INR (S i)) 3 ltac:(lra)) as [[X S] H].
exists X. split; [exact S|]. apply eq_trans with (1 := H X S). f_equal. cbn [Sum]. rewrite !chi2_quarter. simpl. field.
Qed.

Example independent_energy_met : let m := at_position (fun _ => 2%nat) in let pi := at_position (fun _ => half) in
  Tok m pi 3 nil (fun l => ratio pi (at_position (fun _ => two (3 / 4) (1 / 4))) l ^ 2) = (5 / 4) ^ 3.
Proof.
intros m pi. destruct (independent_energy (fun _ => 2%nat) (fun _ => half) (fun _ => two (3 / 4) (1 / 4)) (fun _ => half_sum) ltac:(intro; simpl; field)
  (fun _ => half_pos) 3) as [E _]. apply eq_trans with (1 := E). cbn [Prod]. rewrite !chi2_quarter. field.
Qed.

Example row_energy_alike_met nE : nE ^ 2 / 3 * Sum 5 (fun i => 1 ^ 2 * row_chi2 (fun _ => 2%nat) (fun _ => half) (fun _ => two (3 / 4) (1 / 4)) i) = INR 5 * (nE ^ 2 / 3 * (1 / 4)).
Proof. apply (row_energy_alike (fun _ => 2%nat) (fun _ => half) (fun _ => two (3 / 4) (1 / 4)) 3 nE (fun _ => 1)). intros. rewrite chi2_quarter. field. Qed.
