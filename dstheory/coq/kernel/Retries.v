(* An example for token means: responses of any number of attempts, one more with the chance 1/2, without end. Response k tries again k
   times and has k + 1 tokens; (k - 1)/2 is the score of the logit of trying again, and the reward grows with the attempts. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia List FunctionalExtensionality.
From Kernel Require Import Sums Expectation Averages.
Open Scope R_scope.

Definition trying_again k := 1 / 2 * (1 / 2) ^ k.
Definition times_again k := INR k.
Definition score_of_again k := (INR k - 1) / 2.
Definition tokens_of k := INR (S k).

Lemma trying_positive k : 0 <= trying_again k.
Proof. unfold trying_again. pose proof (pow_lt (1 / 2) k ltac:(lra)). lra. Qed.
Lemma trying_sums : is_series trying_again 1.
Proof.
pose proof (is_series_scal_l (1 / 2) _ _ (is_series_geom (1 / 2) ltac:(rewrite Rabs_pos_eq; lra))) as H.
unfold scal in H; simpl in H; unfold mult in H; simpl in H. replace (1 / 2 * / (1 - 1 / 2)) with 1 in H by field. exact H.
Qed.
Lemma trying_law : discrete (summable trying_again) (series_mean trying_again).
Proof. apply countable; [exact trying_positive | exact trying_sums]. Qed.

(* Every power of the number of attempts has a mean. *)
Lemma powers_summable m : summable trying_again (fun k => INR (S k) ^ m).
Proof.
assert (P : forall k, 0 < trying_again k * INR (S k) ^ m).
{ intro k. unfold trying_again. pose proof (pow_lt (1 / 2) k ltac:(lra)). apply Rmult_lt_0_compat; [lra | apply pow_lt, (lt_0_INR (S k)); lia]. }
unfold summable. apply ex_series_ext with (fun k => Rabs (trying_again k * INR (S k) ^ m)).
- intro k. rewrite Rabs_mult, (Rabs_pos_eq (trying_again k)) by apply trying_positive. reflexivity.
- apply ex_series_DAlembert with (1 / 2); [lra | intro k; apply Rgt_not_eq, P|].
  apply is_lim_seq_ext with (fun k => 1 / 2 * (1 + / INR (S k)) ^ m).
  + intro k. pose proof (lt_0_INR (S k) ltac:(lia)) as K. pose proof (pow_lt (1 / 2) k ltac:(lra)).
    rewrite Rabs_pos_eq by (apply Rlt_le, Rdiv_lt_0_compat; apply P). unfold trying_again. replace (INR (S (S k))) with (INR (S k) * (1 + / INR (S k))) by (rewrite (S_INR (S k)); field; lra).
    rewrite Rpow_mult_distr. pose proof (pow_lt (INR (S k)) m K). set (u := INR (S k)) in *. simpl ((1 / 2) ^ S k). field. repeat split; apply Rgt_not_eq; assumption.
  + replace (Finite (1 / 2)) with (Finite (1 / 2 * 1)) by (f_equal; ring). apply is_lim_seq_mult'; [apply is_lim_seq_const|].
    assert (L : is_lim_seq (fun k => 1 + / INR (S k)) 1).
    { replace (Finite 1) with (Finite (1 + 0)) by (f_equal; ring). apply is_lim_seq_plus'; [apply is_lim_seq_const|].
      apply (is_lim_seq_inv _ p_infty); [apply (is_lim_seq_incr_1 INR), is_lim_seq_INR | discriminate]. }
    induction m as [|m I]; [simpl; apply is_lim_seq_const|]. simpl. replace (Finite 1) with (Finite (1 * 1)) by (f_equal; ring). apply is_lim_seq_mult'; [exact L|].
    apply I. intro k. unfold trying_again. pose proof (pow_lt (1 / 2) k ltac:(lra)). apply Rmult_lt_0_compat; [lra | apply pow_lt, (lt_0_INR (S k)); lia].
Qed.
Lemma below_a_power m g : (forall k, Rabs (g k) <= INR (S k) ^ m) -> summable trying_again g.
Proof. apply (bounded_ok _ _ _ trying_law), powers_summable. Qed.

(* Mean values by the first response and the others, which are the same with one attempt more. *)
Lemma one_more g : summable trying_again g -> series_mean trying_again g = 1 / 2 * g 0%nat + 1 / 2 * series_mean trying_again (fun k => g (S k)).
Proof.
intro G. unfold series_mean. rewrite Series_incr_1 by (apply summable_series; [exact trying_positive | exact G]). unfold trying_again at 1. simpl pow.
rewrite <- Series_scal_l. f_equal; [ring|]. apply Series_ext. intro k. unfold trying_again. simpl. ring.
Qed.
Lemma trying_means : series_mean trying_again times_again = 1 /\ series_mean trying_again (fun k => times_again k ^ 2) = 3.
Proof.
pose proof (proj1 trying_law) as E. assert (S1 : summable trying_again times_again).
{ apply (below_a_power 1). intro k. unfold times_again. rewrite Rabs_pos_eq, S_INR by apply pos_INR. lra. }
assert (S2 : summable trying_again (fun k => times_again k ^ 2)).
{ apply (below_a_power 2). intro k. unfold times_again. rewrite Rabs_pos_eq, S_INR by apply pow2_ge_0. pose proof (pos_INR k). nra. }
pose proof (one_more _ S1) as A. pose proof (one_more _ S2) as B. cbv beta in B.
destruct (mean_line _ _ _ E 1 _ 0 _ 1 S1 S1) as [_ M1]. destruct (mean_line _ _ _ E 1 _ 2 _ 1 S2 S1) as [_ M2].
replace (fun k => times_again (S k)) with (fun k => 1 * times_again k + 0 * times_again k + 1) in A by (extensionality k; unfold times_again; rewrite S_INR; ring).
replace (fun k => times_again (S k) ^ 2) with (fun k => 1 * times_again k ^ 2 + 2 * times_again k + 1) in B by (extensionality k; unfold times_again; rewrite S_INR; ring).
rewrite M1 in A. rewrite M2 in B. unfold times_again at 2 in A. unfold times_again at 2 in B. simpl INR in A, B. lra.
Qed.

Lemma trying_known : series_mean trying_again score_of_again = 0 /\ series_mean trying_again (fun k => times_again k * score_of_again k) = 1
  /\ series_mean trying_again tokens_of = 2.
Proof.
pose proof (proj1 trying_law) as E. destruct trying_means as [M1 M2].
assert (S1 : summable trying_again times_again).
{ apply (below_a_power 1). intro k. unfold times_again. rewrite Rabs_pos_eq, S_INR by apply pos_INR. lra. }
assert (S2 : summable trying_again (fun k => times_again k ^ 2)).
{ apply (below_a_power 2). intro k. unfold times_again. rewrite Rabs_pos_eq, S_INR by apply pow2_ge_0. pose proof (pos_INR k). nra. }
destruct (mean_line _ _ _ E (1 / 2) _ 0 _ (- (1 / 2)) S1 S1) as [_ L1]. destruct (mean_line _ _ _ E (1 / 2) _ (- (1 / 2)) _ 0 S2 S1) as [_ L2].
destruct (mean_line _ _ _ E 1 _ 0 _ 1 S1 S1) as [_ L3]. rewrite M1 in L1, L2, L3. rewrite M2 in L2.
split; [|split].
- transitivity (1 / 2 * 1 + 0 * 1 + - (1 / 2)); [rewrite <- L1; f_equal; extensionality k; unfold score_of_again, times_again; field | field].
- transitivity (1 / 2 * 3 + - (1 / 2) * 1 + 0); [rewrite <- L2; f_equal; extensionality k; unfold score_of_again, times_again; field | field].
- transitivity (1 * 1 + 0 * 1 + 1); [rewrite <- L3; f_equal; extensionality k; unfold tokens_of, times_again; rewrite S_INR; ring | ring].
Qed.

Lemma trying_varies : finite_variance trying_again (fun k => times_again k * score_of_again k) /\ finite_variance trying_again score_of_again
  /\ finite_variance trying_again tokens_of /\ finite_variance trying_again times_again /\ forall k, 1 <= tokens_of k.
Proof.
assert (B : forall k, Rabs (times_again k) <= INR (S k) /\ Rabs (score_of_again k) <= INR (S k)).
{ intro k. unfold times_again, score_of_again. pose proof (pos_INR k). rewrite (Rabs_pos_eq (INR k)), S_INR by assumption. split; [lra|]. apply Rabs_le. lra. }
split; [|split; [|split; [|split]]].
- apply (below_a_power 4). intro k. destruct (B k) as [B1 B2]. rewrite Rabs_pos_eq by apply pow2_ge_0. rewrite <- pow2_abs, Rabs_mult.
  replace (INR (S k) ^ 4) with ((INR (S k) * INR (S k)) ^ 2) by ring. apply pow_incr. split; [apply Rmult_le_pos; apply Rabs_pos|].
  apply Rmult_le_compat; try apply Rabs_pos; assumption.
- apply (below_a_power 2). intro k. rewrite Rabs_pos_eq by apply pow2_ge_0. rewrite <- pow2_abs. apply pow_incr. split; [apply Rabs_pos | apply B].
- apply (below_a_power 2). intro k. rewrite Rabs_pos_eq by apply pow2_ge_0. apply Rle_refl.
- apply (below_a_power 2). intro k. rewrite Rabs_pos_eq by apply pow2_ge_0. rewrite <- pow2_abs. apply pow_incr. split; [apply Rabs_pos | apply B].
- intro k. unfold tokens_of. apply (le_INR 1). lia.
Qed.

Example batch_token_mean_met J : tends (summable trying_again) (series_mean trying_again)
  (fun l => sum_of (fun k => (times_again k - J) * score_of_again k) l / sum_of tokens_of l) (1 / 2).
Proof.
destruct trying_known as [S [C T]]. destruct trying_varies as [V1 [V2 [V3 [_ L]]]]. rewrite <- C at 1. rewrite <- T.
apply batch_token_mean; (exact trying_positive || exact trying_sums || assumption).
Qed.
Example group_token_mean_met : tends (summable trying_again) (series_mean trying_again)
  (fun l => sum_of (fun k => (times_again k - sum_of times_again l / INR (length l)) * score_of_again k) l / sum_of tokens_of l) (1 / 2).
Proof.
destruct trying_known as [S [C T]]. destruct trying_varies as [V1 [V2 [V3 [V4 L]]]]. rewrite <- C at 1. rewrite <- T.
apply group_token_mean; (exact trying_positive || exact trying_sums || assumption).
Qed.

(* Two prompts, the second with tokens of twice the number: mean length 3. *)
Example prompts_token_mean_met G : (0 < G)%nat -> let p (_ : nat) := trying_again in let r (_ : nat) := times_again in let f (_ : nat) := score_of_again in
  let t x k := INR (S x) * tokens_of k in
  tends (of_groups G p) (grouped 2 G (fun _ => 1 / 2) p) (fun l => sum_of (credited r f) l / sum_of (counted t) l) ((INR G - 1) / INR G * (1 / 3)).
Proof.
intros H p r f t. destruct trying_known as [S [C T]]. destruct trying_varies as [V1 [V2 [V3 [V4 L]]]]. pose proof (proj1 trying_law) as E.
assert (TS : forall x, series_mean trying_again (t x) = INR (Datatypes.S x) * 2).
{ intro x. rewrite <- T. apply (mean_scal _ _ _ E), (square_ok _ _ _ trying_law), V3. }
replace (1 / 3) with (gradient 2 (fun _ => 1 / 2) p r f / length_mean 2 (fun _ => 1 / 2) p t).
- apply prompts_token_mean; try (intros; exact trying_sums || assumption).
  + simpl. field.
  + intros. lra.
  + intros x i. apply trying_positive.
  + intros x i. unfold t. rewrite <- (Rmult_1_r 1) at 1. apply Rmult_le_compat; [lra | lra | apply (le_INR 1); lia | apply L].
  + intro x. unfold finite_variance, t. replace (fun i => (INR (Datatypes.S x) * tokens_of i) ^ 2) with (fun i => INR (Datatypes.S x) ^ 2 * tokens_of i ^ 2) by (extensionality i; ring).
    apply (mean_scal _ _ _ E), V3.
- unfold gradient, length_mean, p. simpl Sum. rewrite !TS. unfold r, f. rewrite C. simpl INR. field.
Qed.
