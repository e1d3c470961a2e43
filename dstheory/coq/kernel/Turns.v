(* Trees of rows that repeat: an endless chain whose turns are one tree, of tokens and decisions, that stops or starts over. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia List.
From Kernel Require Import Sums Policies Chain Trajectories Energy Trees.
Open Scope R_scope.

(* A turn ends by stopping or by starting over; subst puts a tree in the place of the next turn. *)
Inductive turn := Stop | Again | Draw (i : nat) (r : nat -> R) (next : nat -> turn).
Fixpoint subst t (k : tree) := match t with Stop => End 0 | Again => k | Draw i r next => Row i r (fun j => subst (next j) k) end.
Fixpoint unpaid t := match t with Stop => Stop | Again => Again | Draw i r next => Draw i (fun _ => 0) (fun j => unpaid (next j)) end.
Definition close t W := subst t (End W).

(* At most K turns: after them the episode is cut off. *)
Fixpoint unroll t K := match K with O => End 0 | S K => subst t (unroll t K) end.

Section Turns.
Variables (m : nat -> nat) (rho : nat -> nat -> R).
Hypothesis sums : forall i, Sum (m i) (rho i) = 1.
Definition back t := worth m rho (close (unpaid t) 1).

Lemma subst_worth t k : worth m rho (subst t k) = worth m rho (close t 0) + worth m rho k * back t.
Proof.
induction t as [| |i r next I]; unfold back, close; simpl; [ring | ring|]. rewrite <- Sum_scal, <- Sum_plus. apply Sum_ext; intros j _.
rewrite I. unfold back, close. ring.
Qed.

Lemma close_worth t W : worth m rho (close t W) = worth m rho (close t 0) + W * back t.
Proof. apply (subst_worth t (End W)). Qed.

Lemma subst_close t k : worth m rho (subst t k) = worth m rho (close t (worth m rho k)).
Proof. rewrite subst_worth, (close_worth t (worth m rho k)). reflexivity. Qed.

(* What depends on a row and its action values alone adds up over turns. *)
Definition local (f : nat -> (nat -> R) -> (nat -> tree) -> R) :=
  forall i r next next', (forall j, worth m rho (next j) = worth m rho (next' j)) -> f i r next = f i r next'.

Lemma subst_visits f t k : local f -> Visits m rho (subst t k) f = Visits m rho (close t (worth m rho k)) f + back t * Visits m rho k f.
Proof.
intro L. induction t as [| |i r next I]; unfold back, close; simpl; [ring | ring|].
rewrite (L i r (fun j => subst (next j) k) (fun j => subst (next j) (End (worth m rho k)))) by (intro; rewrite subst_close; reflexivity).
rewrite Rplus_assoc. f_equal. rewrite <- Sum_scal_r, <- Sum_plus. apply Sum_ext; intros j _. rewrite I. unfold back, close. ring.
Qed.

Lemma variance_local : local (row_variance m rho).
Proof.
intros i r next next' H. unfold row_variance, advantage. assert (E : worth m rho (Row i r next) = worth m rho (Row i r next')).
{ simpl. apply Sum_ext; intros j _. rewrite H. reflexivity. }
apply Sum_ext; intros j _. rewrite E, H. reflexivity.
Qed.

Lemma close_limit t (u : nat -> R) (W : R) : is_lim_seq u W ->
  is_lim_seq (fun K => worth m rho (close t (u K))) (worth m rho (close t W)).
Proof.
intro U. apply is_lim_seq_ext with (fun K => worth m rho (close t 0) + u K * back t); [intro; symmetry; apply close_worth|].
rewrite (close_worth t W). apply is_lim_seq_plus'; [apply is_lim_seq_const|]. apply is_lim_seq_mult'; [exact U | apply is_lim_seq_const].
Qed.

Lemma variance_limit t (u : nat -> R) (W : R) : is_lim_seq u W ->
  is_lim_seq (fun K => Visits m rho (close t (u K)) (row_variance m rho)) (Visits m rho (close t W) (row_variance m rho)).
Proof.
intro U. induction t as [| |i r next I]; [apply is_lim_seq_const | apply is_lim_seq_const|]. simpl. apply is_lim_seq_plus'.
- unfold row_variance, advantage. apply (sum_limit (m i) (fun j K => rho i j * (r j + worth m rho (subst (next j) (End (u K)))
    - worth m rho (Row i r (fun j => subst (next j) (End (u K))))) ^ 2)). intros j _. apply is_lim_seq_mult'; [apply is_lim_seq_const|].
  assert (A : is_lim_seq (fun K => r j + worth m rho (subst (next j) (End (u K))) - worth m rho (Row i r (fun j => subst (next j) (End (u K)))))
    (r j + worth m rho (subst (next j) (End W)) - worth m rho (Row i r (fun j => subst (next j) (End W))))).
  { apply is_lim_seq_minus'; [apply is_lim_seq_plus'; [apply is_lim_seq_const | apply (close_limit (next j)), U] | apply (close_limit (Draw i r next)), U]. }
  simpl pow. apply is_lim_seq_mult'; [exact A|]. apply is_lim_seq_mult'; [exact A | apply is_lim_seq_const].
- apply (sum_limit (m i) (fun j K => rho i j * Visits m rho (subst (next j) (End (u K))) (row_variance m rho))). intros j _.
  apply is_lim_seq_mult'; [apply is_lim_seq_const | apply I].
Qed.

Variable t : turn.
Hypothesis ends : 0 <= back t < 1.
Definition start := worth m rho (close t 0) / (1 - back t).

(* The worth of starting over solves the Bellman equation, and is the limit of episodes that are cut off. *)
Lemma start_bellman : worth m rho (close t start) = start.
Proof. rewrite (close_worth t start). unfold start. field. lra. Qed.

Lemma unroll_worth : is_lim_seq (fun K => worth m rho (unroll t K)) start.
Proof.
apply (recursion_limit _ (fun _ => worth m rho (close t 0)) (back t)); [exact ends | | apply is_lim_seq_const].
intro K. simpl. rewrite subst_worth. ring.
Qed.

(* The variance of the return tends to n = 1/(1 - q) times what a turn has, w_turn; and so do the mean products of scores. *)
Theorem unroll_variance : is_lim_seq (fun K => Variance m rho (unroll t K)) (Visits m rho (close t start) (row_variance m rho) / (1 - back t)).
Proof.
apply (recursion_limit _ (fun K => Visits m rho (close t (worth m rho (unroll t K))) (row_variance m rho)) (back t)); [exact ends | |].
- intro K. rewrite <- !variance_rows by exact sums. simpl. apply subst_visits, variance_local.
- apply variance_limit, unroll_worth.
Qed.

Theorem unroll_information u v : is_lim_seq (fun K => information_of m rho (unroll t K) u v) (information_of m rho (close t start) u v / (1 - back t)).
Proof.
unfold information_of. apply is_lim_seq_ext with (fun K => Visits m rho (unroll t K)
  (fun i _ _ => Sum (m i) (fun j => rho i j * (row_score m rho u i j * row_score m rho v i j)))); [intro; symmetry; apply path_information, sums|].
rewrite path_information by exact sums. set (f := fun i (_ : nat -> R) (_ : nat -> tree) => Sum (m i) _).
assert (C : forall s W W', Visits m rho (close s W) f = Visits m rho (close s W') f).
{ induction s as [| |i r next I]; intros W W'; [reflexivity | reflexivity|]. simpl. f_equal. apply Sum_ext; intros j _. f_equal. apply I. }
apply (recursion_limit _ (fun _ => Visits m rho (close t start) f) (back t)); [exact ends | | apply is_lim_seq_const].
intro K. simpl unroll. rewrite subst_visits by (intros ? ? ? ? _; reflexivity). f_equal. apply C.
Qed.
End Turns.

(* B4-tokens for a stationary chain without a cap: the derivative of the mean return is n times the turn's; with Fisher information
   F = n times the turn's (unroll_information) the energy x^T F x of any set of rows at any x with F x = gradient is n times the sum over
   the turn's rows of visits times mean squared advantage, for all rows together the variance of the return. *)
Theorem stationary_rows m z t a : (forall i, (0 < m i)%nat) -> 0 <= back m (rows m z) t < 1 ->
  let rho := rows m z in let turn := close t (start m rho t) in let n := 1 / (1 - back m rho t) in
  let F u v := n * information_of m rho turn u v in
  let natural S x := within S x /\ forall v, within S v -> is_derive (fun u => start m (rows m (moved z v u)) t) 0 (F x v) in
  shared m rho turn a ->
  (forall S, exists x, natural S x)
  /\ (forall S x, natural S x -> F x x = n * Visits m rho turn (fun i r next => if S i : bool then row_variance m rho i r next else 0))
  /\ (forall S x x', natural S x -> natural (fun i => negb (S i)) x' ->
        is_lim_seq (fun K => Variance m rho (unroll t K)) (F x x + F x' x')).
Proof.
intros N Q rho turn n F natural H. assert (P : forall i, Sum (m i) (rho i) = 1) by (intro; apply softmax_sum, N).
change (0 <= back m rho t < 1) in Q. set (q := back m rho t) in *. set (V := start m rho t) in *. assert (N0 : n * (1 - q) = 1) by (unfold n; field; lra).
assert (D : forall v, is_derive (fun u => start m (rows m (moved z v u)) t) 0 (n * Mean m rho turn (fun l => paid turn l * path_score m rho v turn l))).
{ intro v. assert (G : forall s, is_derive (fun u => worth m (rows m (moved z v u)) s) 0 (Mean m rho s (fun l => paid s l * path_score m rho v s l))).
  { intro s. apply is_derive_ext with (fun u => Mean m (rows m (moved z v u)) s (paid s)); [|apply tree_derive, N].
    intro u. apply paid_mean. intro; apply softmax_sum, N. }
  assert (Z : forall s, worth m (rows m (moved z v 0)) s = worth m rho s).
  { induction s as [e|i r next I]; [reflexivity|]. simpl. apply Sum_ext; intros j Hj. rewrite I. f_equal.
    apply softmax_ext; [intros; unfold moved; ring | exact Hj]. }
  pose proof (G (close t 0)) as G0. pose proof (G (close (unpaid t) 1)) as G1. pose proof (G turn) as GV.
  set (f' := Mean m rho (close t 0) _) in G0. set (h' := Mean m rho (close (unpaid t) 1) _) in G1. set (k' := Mean m rho turn _) in *.
  assert (K : k' = f' + V * h').
  { rewrite <- (is_derive_unique _ _ _ GV). apply is_derive_unique.
    apply is_derive_ext with (fun u => worth m (rows m (moved z v u)) (close t 0) + V * worth m (rows m (moved z v u)) (close (unpaid t) 1)).
    - intro u. symmetry. apply close_worth.
    - apply (sum_derive (fun u => worth m (rows m (moved z v u)) (close t 0))); [exact G0 | apply is_derive_scal, G1]. }
  unfold start, back. evar_last.
  - apply (is_derive_div (fun u => worth m (rows m (moved z v u)) (close t 0)) (fun u => 1 - worth m (rows m (moved z v u)) (close (unpaid t) 1)));
      [exact G0 | apply complement_derive, G1 | rewrite Z; fold (back m rho t); fold q; lra].
  - rewrite !Z. fold (back m rho t). fold q. rewrite K. unfold n, V, start. fold q. field. lra. }
assert (SF : forall u v, F u v = F v u) by (intros; unfold F; f_equal; apply mean_ext; intro; ring).
assert (SS : forall S v, within S v -> F (steepest S a) v = n * Mean m rho turn (fun l => paid turn l * path_score m rho v turn l))
  by (intros S v W; unfold F; rewrite (steepest_solves m rho P S turn a v H W); reflexivity).
assert (WA : forall S, within S (steepest S a)) by (intros S i E j; unfold steepest; rewrite E; reflexivity).
assert (E : forall S x, natural S x -> F x x = n * row_energy m rho S turn).
{ intros S x [W X]. unfold F. f_equal. apply (energy_of_rows m rho P S turn a x H W). intros v Wv.
  assert (Y : F x v = n * Mean m rho turn (fun l => paid turn l * path_score m rho v turn l))
    by (rewrite <- (is_derive_unique _ _ _ (X v Wv)); apply is_derive_unique, D).
  unfold F in Y. apply Rmult_eq_reg_l with (2 := ltac:(intro C; rewrite C in N0; lra) : n <> 0). exact Y. }
split; [|split; [exact E|]].
- intro S. exists (steepest S a). split; [apply WA|]. intros v W. rewrite (SS S v W). apply D.
- intros S x x' X X'. rewrite (E _ _ X), (E _ _ X').
  assert (A : n * row_energy m rho S turn + n * row_energy m rho (fun i => negb (S i)) turn
    = Visits m rho turn (row_variance m rho) / (1 - q)).
  { rewrite <- Rmult_plus_distr_l. unfold row_energy. rewrite <- visits_plus.
    rewrite (visits_ext m rho turn _ (row_variance m rho)); [unfold n; field; lra|].
    apply Every_and with (1 := H). intros i r next _. destruct (S i); simpl; ring. }
  rewrite A. apply unroll_variance; [exact P | exact Q].
Qed.
